"""Each odd file gets its right answer from the decoder process: the picture that viewers show, or its refusal."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embedder_container.decoder_pool import DecoderPool
from embedder_container.errors import ItemError
from embedder_container.formats import refuse_start
from embedder_container.models import PreprocessingConfig
from embedder_container.transfer import START_BYTES
from tests.pictures.kind import Kind
from tests.pictures.kinds import kinds

SIDE = 64
SQUARE = PreprocessingConfig(SIDE, "squash", "bicubic", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), full_decode=True)
KINDS = kinds()


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    pool = DecoderPool(SQUARE, processes=1)
    yield pool
    pool.close()


def test_every_kind_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(kind.name for kind in KINDS).items() if count > 1] == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.shows is not None], ids=lambda kind: kind.name)
def test_a_file_that_viewers_show_is_shown_as_they_show_it(pool: DecoderPool, kind: Kind) -> None:
    assert kind.shows is not None
    decoded = pool.decode(kind.data, thumbnail=True)
    assert (decoded.width, decoded.height) == kind.shows.size
    pixels = 255 * decoded.pixels[0].transpose(1, 2, 0)
    square = kind.shows.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert np.abs(blocks(pixels) - blocks(np.asarray(square))).mean() <= kind.tolerance, kind.before
    assert decoded.thumbnail.startswith(b"\xff\xd8")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.code is not None], ids=lambda kind: kind.name)
def test_a_file_that_cannot_be_read_is_refused_in_the_right_words(pool: DecoderPool, kind: Kind) -> None:
    with pytest.raises(ItemError) as caught:
        pool.decode(kind.data, thumbnail=False)
    assert caught.value.code == kind.code, caught.value.message
    assert kind.words in caught.value.message


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_first_bytes_refuse_nothing_that_the_decoder_shows_and_say_the_same_of_the_rest(kind: Kind) -> None:
    refusal: ItemError | None = None
    try:
        refuse_start(kind.data[:START_BYTES])
    except ItemError as error:
        refusal = error
    assert refusal is None or (kind.shows, kind.code) == (None, refusal.code)
    assert refusal is None or kind.words in refusal.message


def blocks(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return the means of 8×8 blocks."""
    means: NDArray[np.float64] = pixels.astype(float).reshape(SIDE // 8, 8, SIDE // 8, 8, 3).mean(axis=(1, 3))
    return means
