"""An image whose decoder crashes, loops or runs out of memory is an error of its own; the next image is decoded."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from embedder_container import limits
from embedder_container.decode_memory import DecodeMemory
from embedder_container.decoder_pool import DecoderPool
from embedder_container.errors import Code, ItemError
from embedder_container.images import decode
from embedder_container.inference import Model
from embedder_container.models import PreprocessingConfig
from embedder_container.transforms import to_pixels
from tests.embedder.samples import encode, photo, two_halves
from tests.pictures.costly import jpeg_of_scans


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
            process = decoder._process
            if process is not None and process._is_ready:
                process._process.kill()

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


def start_decoders_by(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have decoder processes run a script first: a limit is lowered where the process reads it, in its own module."""
    script = f"import sys, time; from embedder_container import decoder, limits; {script}; decoder.main()"
    popen = subprocess.Popen

    def start(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        return popen([sys.executable, "-c", script, *command[3:]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr("embedder_container.decoder_process.subprocess.Popen", start)


def test_an_image_that_needs_too_much_memory_is_refused(lite: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    start_decoders_by("limits.DECODE_MEMORY_BYTES = 400 * 1024**2", monkeypatch)
    pool = DecoderPool(lite.description.image, processes=1, seconds=30)
    black = Image.new("RGB", (10_000, 10_000))
    error = refusal(pool, encode(black, "PNG", compress_level=1))
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"
    pool.close()


def test_an_image_that_takes_too_much_time_of_a_processor_is_refused_and_tried_once(
    lite: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start_decoders_by("limits.DECODE_PROCESSOR_SECONDS = 1", monkeypatch)
    pool = DecoderPool(lite.description.image, processes=1)
    slow = jpeg_of_scans(10_480, 10_480, 20)
    error = refusal(pool, slow)
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)
    assert "of a processor" in error.message
    assert "once more" not in caplog.text
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"
    pool.close()


def test_the_time_of_a_processor_is_each_images_own(lite: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    start_decoders_by("limits.DECODE_PROCESSOR_SECONDS = 2", monkeypatch)
    pool = DecoderPool(lite.description.image, processes=1)
    picture = jpeg_of_scans(10_480, 10_480, 4)
    pool.decode(picture, thumbnail=False)
    process = process_of(pool)
    for _ in range(4):
        pool.decode(picture, thumbnail=False)
    assert process_of(pool) == process
    pool.close()


def test_a_process_that_does_not_start_in_time_is_no_fault_of_the_image(
    lite: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_decoders_by("time.sleep(60)", monkeypatch)
    monkeypatch.setattr("embedder_container.decoder_pool.limits.DECODER_START_SECONDS", 0.5)
    pool = DecoderPool(lite.description.image, processes=1)
    with pytest.raises(RuntimeError, match=r"longer than 0\.5 s to start"):
        pool.decode(photo(), thumbnail=False)
    pool.close()


def test_at_the_deadline_an_image_is_postponed_whatever_it_waits_for(
    lite: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = DecoderPool(lite.description.image, processes=1)
    pool.decode(photo(), thumbnail=False)
    os.kill(process_of(pool), signal.SIGSTOP)
    postponed = [(Code.POSTPONED, True)] * 3
    assert [refusal_by(pool, photo(), seconds) for seconds in (0.5, -1)] == postponed[:2], "a decode, and none at all"
    start_decoders_by("time.sleep(60)", monkeypatch)
    assert refusal_by(pool, photo(), 0.5) == postponed[2], "a start"
    pool.close()


def refusal_by(pool: DecoderPool, data: bytes, seconds: float) -> tuple[Code, bool]:
    """The code of an image that is not decoded within so many seconds, and whether it is transient."""
    with pytest.raises(ItemError) as caught:
        pool.decode(data, thumbnail=False, deadline=time.monotonic() + seconds)
    return caught.value.code, caught.value.transient


def test_a_large_image_waits_for_memory_and_small_ones_do_not(lite: Model) -> None:
    memory = DecodeMemory(limits.EMBEDDER_BYTES + 2 * limits.SMALL_DECODE_BYTES + 1024**3, 0, processes=2)
    pool = DecoderPool(lite.description.image, processes=2, memory=memory)
    large = encode(two_halves(10_000, 7_000), "PNG", compress_level=1)
    results = []
    with memory.reserve(memory.size + limits.SMALL_DECODE_BYTES, math.inf):  # as if a larger one were being decoded
        waiting = threading.Thread(target=lambda: results.append(pool.decode(large, thumbnail=False)))
        waiting.start()
        assert pool.decode(photo(), thumbnail=False).format == "JPEG"
        assert refusal_by(pool, large, 1) == (Code.POSTPONED, True)
        assert results == []
    waiting.join()
    assert (results[0].width, results[0].height) == (10_000, 7_000)
    pool.close()


def test_an_image_for_which_the_function_has_no_room_is_refused(lite: Model) -> None:
    pool = DecoderPool(lite.description.image, processes=1, memory=DecodeMemory(0, 0, processes=1))
    error = refusal(pool, encode(two_halves(12_000, 9_000).convert("RGBA"), "PNG", compress_level=1))
    assert (error.code, error.transient) == (Code.TOO_COSTLY, False)
    assert "no room" in error.message
    pool.close()


def test_the_decoder_process_has_no_credentials(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    popen, environments = subprocess.Popen, []

    def start(command: list[str], *, env: dict[str, str], **options: object) -> "subprocess.Popen[bytes]":
        environments.append(env)
        return popen(command, env=env, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("embedder_container.decoder_process.subprocess.Popen", start)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pool.decode(photo(), thumbnail=False)
    (environment,) = environments
    assert environment
    assert not any(name.startswith("AWS_") or "secret" in value for name, value in environment.items())


def test_a_decoder_process_is_replaced_after_its_number_of_images(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedder_container.decoder_pool.limits.DECODES_PER_PROCESS", 2)
    processes = []
    for _ in range(4):
        pool.decode(photo(), thumbnail=False)
        processes.append(process_of(pool))
    assert processes[0] == processes[1] != processes[2] == processes[3]


def test_two_images_are_sent_before_the_first_is_received_and_come_in_their_order(pool: DecoderPool) -> None:
    drawn = [encode(two_halves(width), "PNG") for width in (80, 81, 82, 83, 84)]
    with pool.decoder() as decoder:
        decoder.send(drawn[0], thumbnail=True)
        widths, rooms = [], []
        for ahead in drawn[1:]:
            decoder.send(ahead, thumbnail=True)
            rooms.append(decoder.has_room)
            widths.append(decoder.receive().width)
        widths.append(decoder.receive().width)
        assert (widths, rooms, decoder.pending) == ([80, 81, 82, 83, 84], 4 * [False], 0)


def test_an_image_that_is_sent_ahead_has_the_pixels_and_the_thumbnail_of_one_that_is_sent_alone(
    pool: DecoderPool,
) -> None:
    first, second = encode(two_halves(900, 700), "PNG"), photo()
    alone = [pool.decode(data, thumbnail=True) for data in (first, second)]
    with pool.decoder() as decoder:
        for data in (first, second):
            decoder.send(data, thumbnail=True)
        together = [decoder.receive() for _ in range(2)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert (one.thumbnail, one.perceptual_hash) == (other.thumbnail, other.perceptual_hash)


def test_both_images_are_tried_again_if_the_process_ends_between_them(pool: DecoderPool) -> None:
    pool.decode(photo(), thumbnail=False)
    os.kill(process_of(pool), signal.SIGSTOP)
    with pool.decoder() as decoder:
        for width in (80, 81):
            decoder.send(encode(two_halves(width), "PNG"), thumbnail=False)
        assert decoder._process is not None
        os.kill(decoder._process.pid, signal.SIGKILL)
        assert [decoder.receive().width for _ in range(2)] == [80, 81]


def test_an_image_that_was_sent_ahead_of_one_that_takes_too_long_is_decoded(lite: Model) -> None:
    pool = DecoderPool(lite.description.image, processes=1, seconds=3)
    pool.decode(photo(), thumbnail=False)
    os.kill(process_of(pool), signal.SIGSTOP)
    with pool.decoder() as decoder:
        decoder.send(photo(), thumbnail=False)
        decoder.send(encode(two_halves(), "PNG"), thumbnail=False)
        with pytest.raises(ItemError) as caught:
            decoder.receive()
        assert caught.value.code == Code.TOO_COSTLY
        assert decoder.receive().format == "PNG"
    pool.close()


def test_what_was_sent_and_not_received_is_not_the_next_borrowers(pool: DecoderPool) -> None:
    with pool.decoder() as decoder:
        decoder.send(encode(two_halves(), "PNG"), thumbnail=False)
    assert pool.decode(photo(), thumbnail=False).format == "JPEG"


def test_a_file_larger_than_the_limit_reaches_no_process(pool: DecoderPool) -> None:
    assert refusal(pool, bytes(limits.MAX_FILE_BYTES + 1)).code == Code.TOO_LARGE
    assert pool._idle.queue[0]._process is None


@pytest.mark.parametrize(
    "reply", ["REPLY_HEADER.pack(2**31, 0)", "REPLY_HEADER.pack(2, 2**31) + b'{}'", "REPLY_HEADER.pack(2, 0)[:3]"]
)
def test_a_process_that_does_not_keep_to_the_protocol_is_ended(
    lite: Model, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    script = (
        "from embedder_container import decoder_protocol as p; write = decoder.Server._send; "
        "lie = lambda self: write(self, p.REPLY + p.{reply}) or sys.exit(); "
        "decoder.Server._send = lambda self, message: write(self, message) if message[:1] == p.READY else lie(self)"
    ).replace("{reply}", reply)
    start_decoders_by(script, monkeypatch)
    pool = DecoderPool(lite.description.image, processes=1, seconds=30)
    assert refusal(pool, photo()).code == Code.DECODER_CRASHED
    pool.close()
