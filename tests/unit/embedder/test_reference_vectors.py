"""A CLIP from PyTorch, its tokenizer and transform from open_clip: what they computed, we compute.

`tests/models/tiny-clip/reference.json` holds the token ids of open_clip 3.3.0's tokenizer, the pixels of its transform,
and the embeddings of torch 2.14.1 with transformers 5.23.0.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import load_bundle
from embedder_container.transforms import to_pixels

FOLDER = Path(__file__).resolve().parents[2] / "models" / "tiny-clip"
REFERENCE = json.loads((FOLDER / "reference.json").read_text("utf-8"))
TEXTS, PICTURES = REFERENCE["texts"], REFERENCE["images"]


@pytest.fixture(scope="module")
def tiny() -> Model:
    return Model(load_bundle(FOLDER), threads=1)


def test_the_reference_has_what_it_is_said_to_have() -> None:
    assert (len(TEXTS), len(PICTURES)) == (41, 9)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text["text"][:20]))
def test_each_text_has_the_references_tokens_and_embedding(tiny: Model, text: dict[str, Any]) -> None:
    assert tiny.token_ids(text["text"]) == text["input_ids"]
    np.testing.assert_allclose(tiny.embed_text(text["text"]), text["embedding"], atol=1e-4)


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_has_the_references_pixels_and_embedding(tiny: Model, name: str) -> None:
    wanted = PICTURES[name]
    picture = decode((FOLDER / "images" / name).read_bytes())
    pixels = to_pixels(picture.image, tiny.card.image)
    for row, column, values in wanted["pixel_probe"]:
        np.testing.assert_allclose(pixels[0, :, row, column], values, atol=2e-3)
    np.testing.assert_allclose(pixels[0].mean(axis=(1, 2)), wanted["pixel_mean"], atol=2e-3)
    np.testing.assert_allclose(pixels[0].std(axis=(1, 2)), wanted["pixel_std"], atol=2e-3)
    np.testing.assert_allclose(tiny.embed_pixels(pixels), wanted["embedding"], atol=1e-4)
