"""Decodes pictures in processes of their own, so that whatever a picture does to its decoder happens to nobody else.

A codec that crashes, loops or allocates without end cannot be stopped within a process; another process can be.
"""

import fcntl
import json
import logging
import os
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder_container import limits
from embedder_container.errors import Code, ItemError
from embedder_container.models import PreprocessingConfig
from embedder_container.tensors import normalise

# As `decoder` has them; importing it would bring Pillow into this process, which never needs it.
REQUEST = struct.Struct("<?I")
REPLY = struct.Struct("<III")
QUESTION = b"?"

# A picture passes in one go instead of some ten switches from one process to the other.
PIPE_BYTES = 1024 * 1024

# Without credentials or anything else of the function's environment.
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decoded:
    """What is left of a picture: the model's tensor [1, 3, S, S], its thumbnail (empty unless asked for), its facts."""

    pixels: NDArray[np.float32]
    jpeg: bytes
    width: int
    height: int
    format: str
    seconds: dict[str, float]


class _Died(Exception):
    """The process is gone, and with it the picture."""


class DecoderPool:
    """As many decoder processes as pictures may be decoded at a time; each is started when it is first needed."""

    def __init__(self, rule: PreprocessingConfig, processes: int, seconds: float = limits.DECODE_SECONDS) -> None:
        self._idle: queue.LifoQueue[_Decoder] = queue.LifoQueue()
        # Two pictures at the limit would not fit into the function's memory.
        large = threading.Lock()
        for _ in range(processes):
            self._idle.put(_Decoder(rule, seconds, large))

    def start(self, pictures: int) -> None:
        """Start the processes for so many pictures without waiting for them: they come up while the model loads."""
        with self._all() as decoders:
            for decoder in decoders[:pictures]:
                decoder.start()

    def close(self) -> None:
        """End the processes."""
        with self._all() as decoders:
            for decoder in decoders:
                decoder.stop()

    def decode(self, data: bytes, *, thumbnail: bool) -> Decoded:
        """Decode a picture; raises ItemError where it is at fault."""
        decoder = self._idle.get()
        try:
            try:
                return decoder.decode(data, thumbnail=thumbnail)
            except _Died:
                # Perhaps the system was short of memory, and this picture happened to be the one. Once more.
                logger.warning("a decoder process ended; its picture is tried once more")
            try:
                return decoder.decode(data, thumbnail=thumbnail)
            except _Died:
                raise ItemError(Code.DECODER_CRASHED, "the picture ends the process that decodes it") from None
        finally:
            self._idle.put(decoder)

    @contextmanager
    def _all(self) -> Iterator["list[_Decoder]"]:
        """Those that are idle now."""
        decoders = []
        while not self._idle.empty():
            decoders.append(self._idle.get())
        try:
            yield decoders
        finally:
            for decoder in decoders:
                self._idle.put(decoder)


class _Decoder:
    """One decoder process, replaced when it has to be ended and after DECODES_PER_PROCESS pictures."""

    def __init__(self, rule: PreprocessingConfig, seconds: float, large: threading.Lock) -> None:
        self._rule = rule
        self._seconds = seconds
        self._large = large
        self._process: subprocess.Popen[bytes] | None = None
        self._left = 0
        self._ready = False

    def start(self) -> None:
        if self._process is not None:
            return
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        package = str(Path(__file__).resolve().parents[1])
        environment["PYTHONPATH"] = os.pathsep.join([package, *filter(None, sys.path)])
        # Numpy's own threads, which nothing here uses, would reserve address space that the limit counts.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "embedder_container.decoder", self._rule.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libtiff tells its complaints to whoever listens
            env=environment,
            cwd=package,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            # Only Linux has it, and it may grant less: it works all the same.
            with suppress(OSError, AttributeError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._left, self._ready = limits.DECODES_PER_PROCESS, False

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with suppress(OSError), process:  # closing a pipe writes what is left to a process that is gone
                pass
            process.wait()

    def decode(self, data: bytes, *, thumbnail: bool) -> Decoded:
        """Raises ItemError as `pictures.decode` does, TOO_COSTLY after the time is over, and _Died."""
        if self._left <= 0:
            self.stop()
        self.start()
        self._left -= 1
        try:
            self._wait_until_ready()
            found, square, jpeg = self._exchange(data, thumbnail)
        except BaseException:
            self.stop()  # whatever it was about to say, nobody waits for it any more
            raise
        if "defect" in found:
            raise RuntimeError(f"the decoder failed:\n{found['defect']}")
        if "error" in found:
            raise ItemError(Code(found["error"]["code"]), found["error"]["message"])
        side = self._rule.size
        pixels = normalise(np.frombuffer(square, np.uint8).reshape(side, side, 3), self._rule)
        return Decoded(pixels, jpeg, **found)

    def _wait_until_ready(self) -> None:
        """A new process takes its time, on a busy machine seconds; that is no picture's fault."""
        if not self._ready:
            assert self._process is not None
            assert self._process.stdout is not None
            with self._within(limits.START_SECONDS, self._process):
                if not self._process.stdout.read(1):
                    raise _Died
            self._ready = True

    def _exchange(self, data: bytes, thumbnail: bool) -> tuple[dict[str, Any], bytes, bytes]:
        assert self._process is not None
        requests, replies = self._process.stdin, self._process.stdout
        assert requests is not None
        assert replies is not None

        def read(length: int) -> bytes:
            received = replies.read(length)
            if len(received) < length:
                raise _Died
            return received

        with self._within(self._seconds, self._process):
            requests.write(REQUEST.pack(thumbnail, len(data)))
            requests.write(data)
            requests.flush()
            asks = read(1) == QUESTION
        # The wait for another large picture is not this one's fault.
        with self._large if asks else nullcontext(), self._within(self._seconds, self._process):
            if asks:
                requests.write(QUESTION)
                requests.flush()
                read(1)
            body, square, jpeg = (read(length) for length in REPLY.unpack(read(REPLY.size)))
        return json.loads(body), square, jpeg

    @contextmanager
    def _within(self, seconds: float, process: "subprocess.Popen[bytes]") -> Iterator[None]:
        """End the process when so many seconds are over; raises TOO_COSTLY then, and _Died when it ended by itself."""
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, _Died):
            if late.is_set():
                message = f"decoding the picture takes longer than {seconds:g} s"
                raise ItemError(Code.TOO_COSTLY, message) from None
            raise _Died from None
        finally:
            timer.cancel()
