"""An image whose decoder crashes, loops or runs out of memory is an error of its own; the next image is decoded."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from embedder_container.decoder_pool import DecoderPool
from embedder_container.errors import Code, ItemError
from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import PreprocessingConfig
from embedder_container.transforms import to_pixels
from tests.embedder.samples import encode, photo, two_halves


@pytest.fixture
def pool(lite: Model) -> Iterator[DecoderPool]:
    """A pool of one process, so that assertions concern the process that was ended."""
    pool = DecoderPool(lite.description.image, processes=1, seconds=5)
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


def test_the_pool_gives_the_pixels_of_a_decode_in_this_process(pool: DecoderPool, lite: Model) -> None:
    decoded = pool.decode(photo(), thumbnail=True)
    expected = decode(photo(), lite.description.image.size)
    np.testing.assert_array_equal(decoded.pixels, to_pixels(expected.image, lite.description.image))
    assert (decoded.width, decoded.height, decoded.format) == (expected.width, expected.height, "JPEG")
    assert decoded.thumbnail.startswith(b"\xff\xd8")
    assert pool.decode(photo(), thumbnail=False).thumbnail == b""


def test_a_refused_file_does_not_end_the_decoder_process(pool: DecoderPool) -> None:
    pool.decode(photo(), thumbnail=False)
    before = process_of(pool)
    assert refusal(pool, b"hello").code == Code.NOT_AN_IMAGE
    assert refusal(pool, b"").code == Code.EMPTY
    assert process_of(pool) == before


def test_a_decoder_process_that_ends_is_replaced_and_its_image_tried_again(pool: DecoderPool) -> None:
    pool.decode(photo(), thumbnail=False)
    before = process_of(pool)
    os.kill(before, signal.SIGSEGV)
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"
    assert process_of(pool) != before


def test_an_image_that_ends_two_decoder_processes_is_refused(pool: DecoderPool) -> None:
    stopped = threading.Event()
    (decoder,) = pool._idle.queue

    def kill_when_ready() -> None:
        while not stopped.wait(0.001):
            if decoder._is_ready and decoder._process is not None:
                decoder._process.kill()

    thread = threading.Thread(target=kill_when_ready)
    thread.start()
    try:
        error = refusal(pool, encode(Image.effect_noise((3000, 3000), 90), "PNG"))
    finally:
        stopped.set()
        thread.join()
    assert (error.code, error.transient) == (Code.DECODER_CRASHED, False)
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"


def test_decoders_that_do_not_start_are_no_fault_of_the_image(lite: Model) -> None:
    class UnreadableConfig(PreprocessingConfig):
        def to_json(self) -> str:
            return "{}"

    pool = DecoderPool(UnreadableConfig(**asdict(lite.description.image)), processes=1)
    with pytest.raises(RuntimeError, match="no decoder process starts"):
        pool.decode(photo(), thumbnail=False)


def test_a_decode_that_takes_too_long_is_ended(lite: Model) -> None:
    pool = DecoderPool(lite.description.image, processes=1, seconds=3)
    pool.decode(photo(), thumbnail=False)
    stopped = process_of(pool)
    os.kill(stopped, signal.SIGSTOP)  # acts like a codec that loops
    start = time.monotonic()
    error = refusal(pool, photo())
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)
    assert time.monotonic() - start < 30
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"
    assert process_of(pool) != stopped
    pool.close()


def test_an_image_that_needs_too_much_memory_is_refused(lite: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    # The limit is lowered where the process reads it, in its own copy of the module.
    script = (
        "import resource, sys; from embedder_container import decoder, limits; "
        "limits.DECODE_MEMORY_BYTES = 400 * 1024**2; sys.argv = ['decoder', sys.argv[1]]; decoder.main()"
    )
    popen = subprocess.Popen

    def start_with_less_memory(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        return popen([sys.executable, "-c", script, command[-1]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr("embedder_container.decoder_pool.subprocess.Popen", start_with_less_memory)
    pool = DecoderPool(lite.description.image, processes=1, seconds=30)
    black = Image.new("RGB", (10_000, 10_000))
    error = refusal(pool, encode(black, "PNG", compress_level=1))
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"
    pool.close()


def test_large_images_are_decoded_one_at_a_time(lite: Model) -> None:
    pool = DecoderPool(lite.description.image, processes=2)
    large = encode(two_halves(6000, 5000), "PNG", compress_level=1)
    with pool._idle_decoders() as decoders:
        lock = decoders[0]._large_image
    results = []
    with lock:  # as if another large image were being decoded
        waiting = threading.Thread(target=lambda: results.append(pool.decode(large, thumbnail=False)))
        waiting.start()
        assert pool.decode(photo(), thumbnail=False).format == "JPEG"  # small ones do not wait
        assert results == []
    waiting.join()
    assert (results[0].width, results[0].height) == (6000, 5000)
    pool.close()


def test_the_decoder_process_has_no_credentials(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pool.decode(photo(), thumbnail=False)
    assert b"AWS_" not in Path(f"/proc/{process_of(pool)}/environ").read_bytes()


def test_a_decoder_process_is_replaced_after_its_number_of_images(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedder_container.decoder_pool.limits.DECODES_PER_PROCESS", 2)
    processes = []
    for _ in range(4):
        pool.decode(photo(), thumbnail=False)
        processes.append(process_of(pool))
    assert processes[0] == processes[1] != processes[2] == processes[3]
