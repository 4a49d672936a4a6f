"""Slow pictures take their own time, never their neighbours': an invocation ends before its function's time does."""

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embedder_container.decoder_pool import Decoder, DecoderPool, PreparedImage
from embedder_container.embedder import Embedder
from embedder_container.errors import Code, ItemError, postponed
from embedder_container.handler import handle_event
from embedder_container.inference import Model
from embedder_container.limits import DECODE_PROCESSOR_SECONDS, RESERVED_SECONDS
from embedder_container.slots import SLOTS
from embedder_container.transfer import Transfers
from infra.workers import EMBEDDER
from tests.embedder.samples import photo
from tests.embedder.store import ObjectStore
from tests.pictures.costly import jpeg_of_scans

BATCH = 16  # of objects: chalicelib.domain.syncs
SLOW = photo() + b"slow"


class SlowDecoder:
    """Decodes as a decoder does, except that each slow picture takes all the time that is left."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._sent: deque[tuple[bytes, float]] = deque()

    @property
    def has_room(self) -> bool:
        return len(self._sent) < SLOTS

    def send(self, data: bytes, *, thumbnail: bool, deadline: float) -> None:
        self._sent.append((data, deadline))
        if data != SLOW:
            self._decoder.send(data, thumbnail=thumbnail, deadline=deadline)

    def receive(self, pixels: NDArray[np.float32]) -> PreparedImage:
        data, deadline = self._sent.popleft()
        if data == SLOW:
            time.sleep(max(0.0, deadline - time.monotonic()))
            raise postponed()
        return self._decoder.receive(pixels)


class SlowDecoders(DecoderPool):
    """Lends such decoders."""

    @contextmanager
    def decoder(self) -> Iterator[SlowDecoder]:  # type: ignore[override]
        with super().decoder() as decoder:
            yield SlowDecoder(decoder)


@pytest.fixture
def slow_embedder(lite: Model, store: ObjectStore) -> Iterator[Embedder]:
    """An embedder of one processor, whose decoders sleep over slow pictures."""
    decoders = SlowDecoders(lite.description.image, processes=1)
    yield Embedder(lite, Transfers(store.endpoint), decoders, processors=1)
    decoders.close()


def outcomes(embedder: Embedder, urls: list[str], seconds: float = math.inf) -> list[tuple[str, bool]]:
    """Each object's error code, or "embedded", and whether the error is transient."""
    event: dict[str, Any] = {"op": "embed_objects", "objects": [{"url": url} for url in urls]}
    results = handle_event(event, embedder, deadline=time.monotonic() + seconds)["results"]
    errors = [result.get("error", {"code": "embedded", "transient": False}) for result in results]
    return [(error["code"], error["transient"]) for error in errors]


def test_an_honest_picture_behind_fifteen_slow_ones_is_embedded(embedder: Embedder, store: ObjectStore) -> None:
    slow = [store.put(f"{number}.jpg", jpeg_of_scans(10_480, 10_480, 100)) for number in range(15)]
    honest = store.put("honest.jpg", photo())
    assert outcomes(embedder, [*slow, honest]) == [("too_costly", False)] * 15 + [("embedded", False)]


def test_what_is_left_at_the_deadline_is_postponed_one_by_one(slow_embedder: Embedder, store: ObjectStore) -> None:
    urls = [
        store.put("first.jpg", photo()),
        store.put("slow.jpg", SLOW),
        *(store.put(f"{number}.jpg", photo()) for number in range(14)),
    ]
    found = outcomes(slow_embedder, urls, seconds=3)
    assert found[1] == ("postponed", True)
    assert set(found) == {("embedded", False), ("postponed", True)}
    assert outcomes(slow_embedder, [url for url, what in zip(urls, found, strict=True) if what[1]][1:]) == [
        ("embedded", False)
    ] * (sum(what[1] for what in found) - 1)


def test_a_download_that_is_not_over_at_the_deadline_is_postponed(embedder: Embedder, store: ObjectStore) -> None:
    urls = [store.url("drips"), store.put("owl.jpg", photo())]
    assert outcomes(embedder, urls, seconds=2) == [("postponed", True), ("embedded", False)]


def test_a_postponed_item_is_transient() -> None:
    assert postponed().transient
    assert not ItemError(Code.TOO_COSTLY, "").transient


def test_two_processors_decide_on_a_batch_of_slow_pictures_within_one_invocation() -> None:
    assert math.ceil(BATCH / 2) * DECODE_PROCESSOR_SECONDS < EMBEDDER.timeout - RESERVED_SECONDS
