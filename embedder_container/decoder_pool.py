"""Decodes images in processes of their own, so that a file which breaks its decoder harms nothing else.

A codec that crashes, loops or allocates without end cannot be stopped within a process; another process can be ended.
"""

import fcntl
import json
import logging
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Not `decoder`: it would bring Pillow into this process, which never needs it.
from embedder_container import decoder_protocol as protocol
from embedder_container import limits
from embedder_container.decode_memory import DecodeMemory
from embedder_container.errors import Code, ItemError, postponed
from embedder_container.models import PreprocessingConfig
from embedder_container.perceptual_hash import perceptual_hash
from embedder_container.tensors import normalise

# An image fits into the pipe at once, which saves some ten switches between the two processes.
PIPE_BYTES = 1024 * 1024

# The decoder gets neither credentials nor any other variable of the function's environment.
DECODER_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")

logger = logging.getLogger(__name__)


@cache
def _warn_of_missing_walls(walls: str) -> None:
    """Say it once: all decoder processes of one system have the same walls."""
    logger.warning("decoder processes are confined without: %s", walls)


@dataclass(frozen=True)
class PreparedImage:
    """The model's tensor [1, 3, S, S], the thumbnail (empty unless requested) and the properties of the file."""

    pixels: NDArray[np.float32]
    thumbnail: bytes
    perceptual_hash: str
    width: int
    height: int
    format: str
    taken: str | None
    seconds: dict[str, float]


class _DecoderEnded(Exception):
    """The process ended before it replied."""


class _DecoderNotStarted(_DecoderEnded):
    """The process ended before it had read a request."""


class DecoderPool:
    """One decoder process for each image that may be decoded at a time; each starts when it is first needed.

    Args:
        seconds: of the clock, that a decode may take.
        memory: that large images share; without it there is room for the largest one.
    """

    def __init__(
        self,
        config: PreprocessingConfig,
        processes: int,
        seconds: float = limits.DECODE_SECONDS,
        memory: DecodeMemory | None = None,
    ) -> None:
        self._idle: queue.LifoQueue[_Decoder] = queue.LifoQueue()
        memory = memory or DecodeMemory(limits.FUNCTION_MEMORY_MB * 1024**2, 0, processes)
        for _ in range(processes):
            self._idle.put(_Decoder(config, seconds, memory))

    def start(self, images: int) -> None:
        """Start the processes for this many images without waiting, so that they start while the model loads."""
        with self._idle_decoders() as decoders:
            for decoder in decoders[:images]:
                decoder.start()

    def close(self) -> None:
        """End the processes."""
        with self._idle_decoders() as decoders:
            for decoder in decoders:
                decoder.stop()

    def decode(
        self,
        data: bytes,
        *,
        thumbnail: bool,
        side: int = limits.THUMBNAIL_SIDE,
        deadline: float = math.inf,
    ) -> PreparedImage:
        """Decode an image.

        Args:
            side: the longest of the thumbnail. Above THUMBNAIL_SIDE a JPEG may be decoded at another size than for its
                embedding.
            deadline: on the monotonic clock, until which the invocation may work.

        Raises:
            ItemError: the image is at fault; or POSTPONED, if the deadline came first.
            RuntimeError: no decoder starts here, which is no image's fault.
        """
        thumbnail_side = side if thumbnail else 0
        decoder = self._idle.get()
        try:
            try:
                return decoder.decode(data, thumbnail_side, deadline)
            except _DecoderEnded:
                # The system may have been short of memory, and this image is not to blame: try once more.
                logger.warning("a decoder process ended; its picture is tried once more")
            try:
                return decoder.decode(data, thumbnail_side, deadline)
            except _DecoderNotStarted:
                raise RuntimeError("no decoder process starts") from None
            except _DecoderEnded:
                raise ItemError(Code.DECODER_CRASHED, "the picture ends the process that decodes it") from None
        finally:
            self._idle.put(decoder)

    @contextmanager
    def _idle_decoders(self) -> Iterator["list[_Decoder]"]:
        """Borrow all decoders that are idle now."""
        decoders = []
        while not self._idle.empty():
            decoders.append(self._idle.get())
        try:
            yield decoders
        finally:
            for decoder in decoders:
                self._idle.put(decoder)


class _Decoder:
    """One decoder process; a new one replaces it after a failure and after DECODES_PER_PROCESS images."""

    def __init__(self, config: PreprocessingConfig, seconds: float, memory: DecodeMemory) -> None:
        self._config = config
        self._seconds = seconds
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._decodes_left = 0
        self._is_ready = False

    def start(self) -> None:
        if self._process is not None:
            return
        self._decodes_left, self._is_ready = limits.DECODES_PER_PROCESS, False
        environment = {name: os.environ[name] for name in DECODER_VARIABLES if name in os.environ}
        package_parent = str(Path(__file__).resolve().parents[1])
        environment["PYTHONPATH"] = os.pathsep.join([package_parent, *filter(None, sys.path)])
        # Numpy's own threads, which the decoder does not use, would reserve address space that its limit counts.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "embedder_container.decoder", self._config.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libtiff prints its warnings there
            env=environment,
            cwd=package_parent,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            # Only Linux can do this, and it may refuse the size: a smaller pipe works too.
            with suppress(OSError, AttributeError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError), process:  # closing a pipe writes what is buffered to a process that has ended
                pass
            process.wait()

    def decode(self, data: bytes, thumbnail_side: int, deadline: float) -> PreparedImage:
        """Decode one image.

        Raises:
            ItemError: as `images.decode` does, TOO_COSTLY when its time is over, and POSTPONED at the deadline.
            _DecoderEnded: the process ended by itself.
        """
        if time.monotonic() > deadline:
            raise postponed()
        if self._decodes_left <= 0:
            self.stop()
        self.start()
        self._decodes_left -= 1
        try:
            self._wait_until_ready(deadline)
            properties, square, jpeg = self._exchange(data, thumbnail_side, deadline)
        except BaseException:
            self.stop()  # it may still reply to this request, and the next one must not read that reply
            raise
        if "defect" in properties:
            raise RuntimeError(f"the decoder failed:\n{properties['defect']}")
        if "error" in properties:
            raise ItemError(Code(properties["error"]["code"]), properties["error"]["message"])
        side = self._config.size
        image = np.frombuffer(square, np.uint8).reshape(side, side, 3)
        return PreparedImage(normalise(image, self._config), jpeg, perceptual_hash(image), **properties)

    def _wait_until_ready(self, deadline: float) -> None:
        """Wait for a new process, which may take seconds on a busy machine: that time is not the image's."""
        if not self._is_ready:
            assert self._process is not None
            assert self._process.stdout is not None
            seconds = limits.DECODER_START_SECONDS
            slow_start = RuntimeError(f"a decoder process takes longer than {seconds:g} s to start")
            with self._time_limit(seconds, slow_start, deadline):
                if not self._process.stdout.read(len(protocol.READY)):
                    raise _DecoderNotStarted
                (length,) = protocol.WALLS.unpack(self._process.stdout.read(protocol.WALLS.size))
                walls = self._process.stdout.read(length).decode()
            self._is_ready = True
            if walls:
                _warn_of_missing_walls(walls)

    def _exchange(self, data: bytes, thumbnail_side: int, deadline: float) -> tuple[dict[str, Any], bytes, bytes]:
        """Send a request and return the JSON, the square and the thumbnail of its reply."""
        assert self._process is not None
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None

        def read(length: int) -> bytes:
            received = replies.read(length)
            if len(received) < length:
                raise _DecoderEnded
            return received

        def read_reply() -> tuple[dict[str, Any], bytes, bytes]:
            lengths = protocol.REPLY_HEADER.unpack(read(protocol.REPLY_HEADER.size))
            body, square, jpeg = (read(length) for length in lengths)
            return json.loads(body), square, jpeg

        too_costly = ItemError(Code.TOO_COSTLY, f"decoding the picture takes longer than {self._seconds:g} s")
        with self._time_limit(self._seconds, too_costly, deadline):
            requests.write(protocol.REQUEST_HEADER.pack(thumbnail_side, len(data)))
            requests.write(data)
            requests.flush()
            if read(1) != protocol.LARGE_IMAGE:
                return read_reply()
            (needed,) = protocol.MEMORY.unpack(read(protocol.MEMORY.size))
        # The wait for memory does not count as this image's time.
        with self._memory.reserve(needed, deadline), self._time_limit(self._seconds, too_costly, deadline):
            requests.write(protocol.PERMISSION)
            requests.flush()
            read(len(protocol.REPLY))
            return read_reply()

    @contextmanager
    def _time_limit(self, seconds: float, failure: Exception, deadline: float) -> Iterator[None]:
        """End the process after this many seconds and raise `failure`, or at the deadline and raise POSTPONED.

        Raises:
            ItemError: TOO_COSTLY, too, if the process has used up its image's time of a processor.
            _DecoderEnded: it ended by itself.
        """
        process = self._process
        assert process is not None
        left = deadline - time.monotonic()
        if left < seconds:
            seconds, failure = max(0.0, left), postponed()
        expired = threading.Event()

        def end() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, _DecoderEnded) as error:
            if expired.is_set():
                raise failure from None
            if process.wait() == -signal.SIGXCPU:
                seconds = limits.DECODE_PROCESSOR_SECONDS
                message = f"decoding the picture takes longer than {seconds} s of a processor"
                raise ItemError(Code.TOO_COSTLY, message) from None
            if isinstance(error, _DecoderEnded):
                raise
            raise _DecoderEnded from None
        finally:
            timer.cancel()
