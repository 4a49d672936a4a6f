"""The decoder's queue, with a process that decodes where it is called."""

from collections import deque
from contextlib import suppress
from io import BytesIO
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from embedder_container import images
from embedder_container.decoder_pool import Decoder
from embedder_container.decoder_process import DecoderProcess, PictureToDecode, Reply
from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.transforms import to_pixels, to_square

CONFIG = load_description(SHIPPED_MODELS, "lite").image
PICTURES = ["red", "green", "blue"]


class InlineProcess:
    """Replies to the pictures that it was sent in their order, as a decoder process does."""

    def __init__(self) -> None:
        self._pictures: deque[PictureToDecode] = deque()

    @property
    def sent(self) -> int:
        return len(self._pictures)

    def stop(self) -> None:
        self._pictures.clear()

    def send(self, picture: PictureToDecode) -> None:
        self._pictures.append(picture)

    def receive(self) -> Reply:
        decoded = images.decode(self._pictures.popleft().data)
        facts: dict[str, Any] = {"width": decoded.width, "height": decoded.height, "format": decoded.format}
        square = np.frombuffer(to_square(decoded.image, CONFIG).tobytes(), np.uint8)
        return Reply(facts | {"taken": None, "seconds": {}}, memoryview(square), b"")


class Starts:
    """Starts processes, but for one start, counted from 0, at which the system has no memory."""

    def __init__(self, failing: int) -> None:
        self._failing = failing
        self._count = 0

    def __call__(self) -> DecoderProcess:
        self._count += 1
        if self._count - 1 == self._failing:
            raise OSError("Cannot allocate memory")
        return cast(DecoderProcess, InlineProcess())


def picture(colour: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return file.getvalue()


def decoded_batch(decoder: Decoder) -> dict[str, np.ndarray[Any, Any] | None]:
    """The tensors of three pictures as the embedder asks for them; None for one at which no process started."""
    tensors: dict[str, np.ndarray[Any, Any] | None] = dict.fromkeys(PICTURES)
    waiting, sent = deque(PICTURES), deque[str]()
    while waiting or sent:
        while waiting and decoder.has_room:
            colour = waiting.popleft()
            with suppress(OSError):
                decoder.send(picture(colour), thumbnail=False)
                sent.append(colour)
        colour = sent.popleft()
        with suppress(OSError):
            tensors[colour] = decoder.receive().pixels
    return tensors


@pytest.mark.parametrize("failing", range(len(PICTURES)))
def test_a_process_that_does_not_start_costs_one_picture_and_each_other_has_its_own_tensor(
    failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedder_container.decoder_pool.limits.DECODES_PER_PROCESS", 1)
    decoder = Decoder(CONFIG, Starts(failing))
    tensors = decoded_batch(decoder)
    assert decoder.pending == 0
    assert list(map(type, tensors.values())).count(type(None)) == 1
    for colour, tensor in tensors.items():
        if tensor is not None:
            expected = to_pixels(images.decode(picture(colour)).image, CONFIG)
            np.testing.assert_array_equal(tensor, expected)
