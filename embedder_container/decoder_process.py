"""One decoder process: it is started, sent pictures, and ended when one of them takes too long.

A codec that crashes, loops or allocates without end cannot be stopped within a process; another process can be ended.
"""

import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# Not `decoder`: it would bring Pillow into this process, which never needs it.
from embedder_container import decoder_protocol as protocol
from embedder_container import limits
from embedder_container.decode_memory import DecodeMemory
from embedder_container.errors import Code, ItemError, postponed
from embedder_container.models import PreprocessingConfig
from embedder_container.slots import SLOTS, Slots

# The decoder gets neither credentials nor any other variable of the function's environment.
DECODER_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")
_READ_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


@cache
def _warn_of_missing_walls(walls: str) -> None:
    """Say it once: all decoder processes of one system have the same walls."""
    logger.warning("decoder processes are confined without: %s", walls)


@dataclass(frozen=True)
class PictureToDecode:
    """A file, the longest side of its thumbnail (0: none), and until when (monotonic clock) it may be decoded."""

    data: bytes
    thumbnail_side: int
    deadline: float


@dataclass(frozen=True)
class Reply:
    """A reply's JSON, square and thumbnail; the square is in the shared memory, until the next picture is sent."""

    properties: dict[str, Any]
    square: memoryview
    thumbnail: bytes


class DecoderEnded(Exception):
    """The process ended before it replied."""


class DecoderNotStarted(DecoderEnded):
    """The process ended before it had read a request."""


class DecoderProcess:
    """A decoder process and the memory that it shares with this one. Its start does not wait for it.

    Args:
        seconds: of the clock, that a decode may take.
        memory: that large images share.
    """

    def __init__(self, config: PreprocessingConfig, seconds: float, memory: DecodeMemory) -> None:
        self._seconds = seconds
        self._memory = memory
        self._slots, descriptor = Slots.create(config.square_bytes)
        self._sent: deque[tuple[int, PictureToDecode]] = deque()
        self._next_slot = 0
        self._is_ready = False
        self._received = b""
        package_parent = str(Path(__file__).resolve().parents[1])
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "embedder_container.decoder", config.to_json(), str(descriptor)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libtiff prints its warnings there
                bufsize=0,
                env=_environment(package_parent),
                cwd=package_parent,
                pass_fds=(descriptor,),
            )
        finally:
            os.close(descriptor)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def sent(self) -> int:
        """How many pictures it has been sent and has not replied to."""
        return len(self._sent)

    def stop(self) -> None:
        """End the process."""
        with self._process:  # closes the pipes, and waits
            self._process.kill()
        with suppress(BufferError):  # a reply may still hold a part of the memory, which goes with it
            self._slots.close()

    def send(self, picture: PictureToDecode) -> None:
        """Send a picture, without waiting; at most SLOTS may be sent and not received."""
        assert len(self._sent) < SLOTS
        slot, length = self._next_slot, len(picture.data)
        self._slots.file(slot)[:length] = picture.data
        self._sent.append((slot, picture))
        self._next_slot = (slot + 1) % SLOTS
        self._write(protocol.REQUEST + protocol.REQUEST_HEADER.pack(slot, picture.thumbnail_side, length))

    def receive(self) -> Reply:
        """Wait for the reply to the picture that was sent first.

        Raises:
            ItemError: TOO_COSTLY when its time is over, of the clock or of a processor; POSTPONED at its deadline.
            DecoderEnded: the process ended by itself.

        After any of these the process is of no use.
        """
        slot, picture = self._sent[0]
        try:
            self._wait_until_ready(picture.deadline)
            reply = self._read_reply(slot, picture.deadline)
        except DecoderEnded:
            if self._process.wait() == -signal.SIGXCPU:
                seconds = limits.DECODE_PROCESSOR_SECONDS
                message = f"decoding the picture takes longer than {seconds} s of a processor"
                raise ItemError(Code.TOO_COSTLY, message) from None
            raise
        self._sent.popleft()
        self._slots.release(slot, max(len(picture.data), len(reply.thumbnail)))
        return reply

    def _wait_until_ready(self, deadline: float) -> None:
        """Wait for a new process, which may take seconds on a busy machine: that time is not the image's."""
        if self._is_ready:
            return
        seconds = limits.DECODER_START_SECONDS
        limit = _TimeLimit(
            seconds, RuntimeError(f"a decoder process takes longer than {seconds:g} s to start"), deadline
        )
        try:
            self._read(len(protocol.READY), limit)
            (length,) = protocol.WALLS.unpack(self._read(protocol.WALLS.size, limit))
            walls = self._read(length, limit).decode()
        except DecoderEnded:
            raise DecoderNotStarted from None
        self._is_ready = True
        if walls:
            _warn_of_missing_walls(walls)

    def _read_reply(self, slot: int, deadline: float) -> Reply:
        too_costly = ItemError(Code.TOO_COSTLY, f"decoding the picture takes longer than {self._seconds:g} s")
        limit = _TimeLimit(self._seconds, too_costly, deadline)
        if self._read(len(protocol.REPLY), limit) != protocol.LARGE_IMAGE:
            return self._read_body(slot, limit)
        (needed,) = protocol.MEMORY.unpack(self._read(protocol.MEMORY.size, limit))
        with self._memory.reserve(needed, deadline):
            # The wait for memory does not count as this image's time.
            limit = _TimeLimit(self._seconds, too_costly, deadline)
            self._write(protocol.PERMISSION)
            self._read(len(protocol.REPLY), limit)
            return self._read_body(slot, limit)

    def _read_body(self, slot: int, limit: "_TimeLimit") -> Reply:
        json_bytes, thumbnail_bytes = protocol.REPLY_HEADER.unpack(self._read(protocol.REPLY_HEADER.size, limit))
        thumbnail = bytes(self._slots.file(slot)[:thumbnail_bytes])
        if json_bytes > protocol.MAX_JSON_BYTES or len(thumbnail) != thumbnail_bytes:
            raise DecoderEnded  # it does not keep to the protocol
        return Reply(json.loads(self._read(json_bytes, limit)), self._slots.square(slot), thumbnail)

    def _write(self, message: bytes) -> None:
        """Write a few bytes, for which the pipe always has room."""
        assert self._process.stdin is not None
        with suppress(OSError):  # it has ended: there will be no reply
            self._process.stdin.write(message)

    def _read(self, length: int, limit: "_TimeLimit") -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while len(self._received) < length:
            limit.wait_for(descriptor)
            chunk = os.read(descriptor, _READ_BYTES)
            if not chunk:
                raise DecoderEnded
            self._received += chunk
        message, self._received = self._received[:length], self._received[length:]
        return message


class _TimeLimit:
    """Until when bytes are waited for: for so many seconds, then `failure` is raised; or the deadline, POSTPONED."""

    def __init__(self, seconds: float, failure: Exception, deadline: float) -> None:
        self._end, self._failure = time.monotonic() + seconds, failure
        if deadline < self._end:
            self._end, self._failure = deadline, postponed()

    def wait_for(self, descriptor: int) -> None:
        """Return when the descriptor can be read."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(max(0.0, self._end - time.monotonic()) * 1000):
            raise self._failure


def _environment(package_parent: str) -> dict[str, str]:
    environment = {name: os.environ[name] for name in DECODER_VARIABLES if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join([package_parent, *filter(None, sys.path)])
    # Numpy's own threads, which the decoder does not use, would reserve address space that its limit counts.
    return environment | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
