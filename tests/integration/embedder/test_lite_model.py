"""The shipped model finds the sample photographs by their captions, and its vectors do not change."""

import base64

import numpy as np
import pytest

from embedder_container.embedder import Embedder
from embedder_container.handler import handle_event
from embedder_container.inference import Model
from tests.embedder.samples import captioned_photos, decode_vector, photo

# The first values of known vectors: if they change, the vector space has changed and needs a new model version.
OWL_TEXT = [-0.62055, -0.15042, -0.02842, 0.18121, 0.02335, -0.04982]
BISON_IMAGE = [-0.64112, -0.28141, 0.09353, 0.14499, 0.05174, -0.0535]


def image_event(data: bytes) -> dict[str, str]:
    return {"op": "embed_image", "image": base64.b64encode(data).decode()}


def test_captions_find_their_photographs(embedder: Embedder) -> None:
    pairs = captioned_photos()
    texts = handle_event({"op": "embed_texts", "texts": [caption for _, caption in pairs]}, embedder)["results"]
    images = [handle_event(image_event(path.read_bytes()), embedder)["results"][0] for path, _ in pairs]
    text_vectors, image_vectors = (
        np.stack([decode_vector(result) for result in results]) for results in (texts, images)
    )
    similarity = text_vectors @ image_vectors.T
    ranks = (similarity > similarity.diagonal()[:, np.newaxis]).sum(axis=1)
    assert (ranks < 1).mean() >= 0.76
    assert (ranks < 5).mean() >= 0.94


def test_a_text_has_its_golden_vector(embedder: Embedder) -> None:
    vector = decode_vector(handle_event({"op": "embed_texts", "texts": ["an owl"]}, embedder)["results"][0])
    np.testing.assert_allclose(vector[:6], OWL_TEXT, atol=1e-4)


def test_a_photograph_has_its_golden_vector(embedder: Embedder) -> None:
    vector = decode_vector(handle_event(image_event(photo()), embedder)["results"][0])
    # JPEG decoders differ slightly between processors.
    np.testing.assert_allclose(vector[:6], BISON_IMAGE, atol=1e-3)


def test_the_vectors_of_texts_and_images_have_length_one(embedder: Embedder) -> None:
    texts = handle_event({"op": "embed_texts", "texts": ["an owl", "é 猫 🦉", "owl " * 12_000]}, embedder)["results"]
    images = handle_event(image_event(photo()), embedder)["results"]
    for result in texts + images:
        assert np.linalg.norm(decode_vector(result)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("text", ["", " \n", "🦉", "“…”", "?!", "猫", "\u200b"])
def test_a_text_without_a_word_that_the_model_reads_has_an_error_and_no_vector(embedder: Embedder, text: str) -> None:
    (result,) = handle_event({"op": "embed_texts", "texts": [text]}, embedder)["results"]
    assert (result["error"]["code"], result["error"]["transient"]) == ("empty", False)


@pytest.mark.parametrize(
    "decorated",
    ["“an owl” 🦉", "an owl!!!", "an owl (2024)", "an owl, 2019", "\uff41\uff4e \uff4f\uff57\uff4c", "'an owl'"],
)
def test_what_people_write_around_words_changes_nothing(lite: Model, decorated: str) -> None:
    np.testing.assert_array_equal(lite.embed_text(decorated), lite.embed_text("an owl"))


def test_a_text_is_truncated_at_the_context_length(lite: Model) -> None:
    words = "owl " * lite.description.context_length
    np.testing.assert_array_equal(lite.embed_text(words), lite.embed_text(words + "a bicycle in the rain"))


def test_a_lone_surrogate_is_embedded_like_any_unknown_character(lite: Model) -> None:
    assert np.linalg.norm(lite.embed_text("an owl \ud83e")) == pytest.approx(1.0, abs=1e-6)


def test_a_text_has_the_same_vector_alone_and_among_others(embedder: Embedder) -> None:
    alone = handle_event({"op": "embed_texts", "texts": ["an owl"]}, embedder)["results"][0]
    texts = ["a much longer text about many things", "an owl", "x"]
    assert handle_event({"op": "embed_texts", "texts": texts}, embedder)["results"][1] == alone


def test_the_number_of_threads_does_not_change_a_vector(lite: Model) -> None:
    pixels = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    two = Model(lite.description, threads=2).embed_pixels(pixels)
    assert 1 - float(lite.embed_pixels(pixels).astype(np.float64) @ two) < 5e-7
