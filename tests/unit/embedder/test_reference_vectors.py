"""Token ids, pixels and embeddings equal those of PyTorch and open_clip for the same CLIP.

`tests/models/tiny-clip/reference.json` has the token ids of open_clip 3.3.0's tokenizer, the pixels of its transform,
and the embeddings of torch 2.14.1 with transformers 5.23.0.
"""

from typing import Any

import numpy as np
import pytest

from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.transforms import to_pixels
from tests.embedder.tiny_clip import REFERENCE, TINY_CLIP

TEXTS, IMAGES = REFERENCE["texts"], REFERENCE["images"]


def test_the_reference_has_41_texts_and_9_images() -> None:
    assert (len(TEXTS), len(IMAGES)) == (41, 9)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text["text"][:20]))
def test_each_text_has_the_references_tokens_and_embedding(tiny_clip: Model, text: dict[str, Any]) -> None:
    assert tiny_clip.token_ids(text["text"]) == text["input_ids"]
    np.testing.assert_allclose(tiny_clip.embed_text(text["text"]), text["embedding"], atol=1e-4)


@pytest.mark.parametrize("name", IMAGES)
def test_each_image_has_the_references_pixels_and_embedding(tiny_clip: Model, name: str) -> None:
    expected = IMAGES[name]
    decoded = decode((TINY_CLIP / "images" / name).read_bytes())
    pixels = to_pixels(decoded.image, tiny_clip.description.image)
    for row, column, values in expected["pixel_probe"]:
        np.testing.assert_allclose(pixels[0, :, row, column], values, atol=2e-3)
    np.testing.assert_allclose(pixels[0].mean(axis=(1, 2)), expected["pixel_mean"], atol=2e-3)
    np.testing.assert_allclose(pixels[0].std(axis=(1, 2)), expected["pixel_std"], atol=2e-3)
    np.testing.assert_allclose(tiny_clip.embed_pixels(pixels), expected["embedding"], atol=1e-4)
