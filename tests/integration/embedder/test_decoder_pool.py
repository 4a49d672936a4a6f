"""A picture that takes its decoder along, loops or devours memory is an error of its own; the next one is decoded."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embedder_container.decoder_pool import DecoderPool
from embedder_container.errors import Code, ItemError
from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.transforms import to_pixels
from tests.embedder.samples import encoded, photo, two_halves


@pytest.fixture
def pool(lite: Model) -> Iterator[DecoderPool]:
    """One process, so that what is asserted next is asserted of the one that was ended."""
    pool = DecoderPool(lite.card.image, processes=1, seconds=5)
    yield pool
    pool.close()


def process_of(pool: DecoderPool) -> int:
    (decoder,) = pool._idle.queue
    assert decoder._process is not None
    return decoder._process.pid


def refusal(pool: DecoderPool, data: bytes) -> ItemError:
    with pytest.raises(ItemError) as caught:
        pool.decode(data, thumbnail=False)
    return caught.value


def test_the_pixels_are_those_of_the_same_decode_in_this_process(pool: DecoderPool, lite: Model) -> None:
    decoded = pool.decode(photo(), thumbnail=True)
    picture = decode(photo(), lite.card.image.size)
    np.testing.assert_array_equal(decoded.pixels, to_pixels(picture.image, lite.card.image))
    assert (decoded.width, decoded.height, decoded.format) == (picture.width, picture.height, "JPEG")
    assert decoded.jpeg.startswith(b"\xff\xd8")
    assert pool.decode(photo(), thumbnail=False).jpeg == b""


def test_a_refusal_comes_through_and_the_process_lives_on(pool: DecoderPool) -> None:
    pool.decode(photo(), thumbnail=False)
    before = process_of(pool)
    assert refusal(pool, b"hello").code == Code.NOT_AN_IMAGE
    assert refusal(pool, b"").code == Code.EMPTY
    assert process_of(pool) == before


def test_a_process_that_ends_is_replaced_and_the_picture_tried_once_more(pool: DecoderPool) -> None:
    pool.decode(photo(), thumbnail=False)
    before = process_of(pool)
    os.kill(before, signal.SIGSEGV)
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"
    assert process_of(pool) != before


def test_a_picture_that_ends_two_processes_is_at_fault(pool: DecoderPool) -> None:
    assassin = threading.Event()

    def kill_whatever_decodes() -> None:
        while not assassin.wait(0.001):
            kill_decoders()

    thread = threading.Thread(target=kill_whatever_decodes)
    thread.start()
    try:
        error = refusal(pool, photo())
    finally:
        assassin.set()
        thread.join()
    assert (error.code, error.transient) == (Code.DECODER_CRASHED, False)
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"


def kill_decoders() -> None:
    """Kill this process's decoders, wherever they are in their work."""
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread or the process ended meanwhile
            for child in (task / "children").read_text().split():
                if b"embedder_container.decoder" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)


def test_a_decode_without_end_is_ended(lite: Model) -> None:
    pool = DecoderPool(lite.card.image, processes=1, seconds=3)
    pool.decode(photo(), thumbnail=False)
    stopped = process_of(pool)
    os.kill(stopped, signal.SIGSTOP)  # as good as a codec that loops
    began = time.monotonic()
    error = refusal(pool, photo())
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)
    assert time.monotonic() - began < 30
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"
    assert process_of(pool) != stopped
    pool.close()


def test_a_picture_that_needs_more_memory_than_a_picture_may_is_refused(
    lite: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limit is lowered where the process reads it, in its own copy of the module.
    script = (
        "import resource, sys; from embedder_container import decoder, limits; "
        "limits.DECODE_MEMORY_BYTES = 400 * 1024**2; sys.argv = ['decoder', sys.argv[1]]; decoder.main()"
    )
    started = subprocess.Popen

    def with_less(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        return started([sys.executable, "-c", script, command[-1]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr("embedder_container.decoder_pool.subprocess.Popen", with_less)
    pool = DecoderPool(lite.card.image, processes=1, seconds=30)
    flat = Image.new("RGB", (10_000, 10_000))
    error = refusal(pool, encoded(flat, "PNG", compress_level=1))
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"
    pool.close()


def test_large_pictures_are_decoded_one_at_a_time(lite: Model) -> None:
    pool = DecoderPool(lite.card.image, processes=2)
    large = encoded(two_halves(6000, 5000), "PNG", compress_level=1)
    with pool._all() as decoders:
        lock = decoders[0]._large
    results = []
    with lock:  # as if one were under way
        waiting = threading.Thread(target=lambda: results.append(pool.decode(large, thumbnail=False)))
        waiting.start()
        assert pool.decode(photo(), thumbnail=False).format == "JPEG"  # small ones go on
        assert results == []
    waiting.join()
    assert (results[0].width, results[0].height) == (6000, 5000)
    pool.close()


def test_the_process_that_decodes_has_no_credentials(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pool.decode(photo(), thumbnail=False)
    assert b"AWS_" not in Path(f"/proc/{process_of(pool)}/environ").read_bytes()


def test_a_decoder_is_replaced_before_what_it_leaks_adds_up(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedder_container.decoder_pool.limits.DECODES_PER_PROCESS", 2)
    seen = []
    for _ in range(4):
        pool.decode(photo(), thumbnail=False)
        seen.append(process_of(pool))
    assert seen[0] == seen[1] != seen[2] == seen[3]
