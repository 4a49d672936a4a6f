"""Decodes images in processes of their own, so that a file which breaks its decoder harms nothing else."""

import logging
import math
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from embedder_container import limits
from embedder_container.decode_memory import DecodeMemory
from embedder_container.decoder_process import (
    DecoderEnded,
    DecoderNotStarted,
    DecoderProcess,
    PictureToDecode,
    Reply,
)
from embedder_container.errors import Code, ItemError, postponed
from embedder_container.models import PreprocessingConfig
from embedder_container.perceptual_hash import perceptual_hash
from embedder_container.slots import SLOTS
from embedder_container.tensors import normalise

logger = logging.getLogger(__name__)


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


class DecoderPool:
    """One decoder for each image that may be decoded at a time; its process starts when it is first needed.

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
        self._idle: queue.LifoQueue[Decoder] = queue.LifoQueue()
        memory = memory or DecodeMemory(limits.FUNCTION_MEMORY_MB * 1024**2, 0, processes)
        for _ in range(processes):
            self._idle.put(Decoder(config, partial(DecoderProcess, config, seconds, memory)))

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

    @contextmanager
    def decoder(self) -> Iterator["Decoder"]:
        """Wait for a decoder that is idle and borrow it."""
        decoder = self._idle.get()
        try:
            yield decoder
        finally:
            decoder.forget_sent()
            self._idle.put(decoder)

    def decode(
        self,
        data: bytes,
        *,
        thumbnail: bool,
        side: int = limits.THUMBNAIL_SIDE,
        deadline: float = math.inf,
    ) -> PreparedImage:
        """Decode one image; arguments and errors are those of `Decoder.send` and `Decoder.receive`."""
        with self.decoder() as decoder:
            decoder.send(data, thumbnail=thumbnail, side=side, deadline=deadline)
            return decoder.receive()

    @contextmanager
    def _idle_decoders(self) -> Iterator["list[Decoder]"]:
        """Borrow all decoders that are idle now."""
        decoders = []
        while not self._idle.empty():
            decoders.append(self._idle.get())
        try:
            yield decoders
        finally:
            for decoder in decoders:
                self._idle.put(decoder)


class Decoder:
    """Decodes images one after the other, the next one being sent ahead, in a process.

    A new process takes its place after a failure, and after DECODES_PER_PROCESS images.
    """

    def __init__(self, config: PreprocessingConfig, start_process: Callable[[], DecoderProcess]) -> None:
        self._config = config
        self._start_process = start_process
        self._process: DecoderProcess | None = None
        self._decodes_left = 0
        # Not yet received. The process has been sent the first `_process.sent` of them.
        self._pending: deque[PictureToDecode] = deque()

    @property
    def pending(self) -> int:
        """How many images were sent and not yet received."""
        return len(self._pending)

    @property
    def has_room(self) -> bool:
        """Whether one more image may be sent."""
        return len(self._pending) < SLOTS

    def start(self) -> None:
        """Start the process unless it runs."""
        if self._process is None:
            self._process = self._start_process()
            self._decodes_left = limits.DECODES_PER_PROCESS

    def stop(self) -> None:
        """End the process if it runs."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()

    def forget_sent(self) -> None:
        """Give up the images that were not received."""
        self._pending.clear()
        if self._process is not None and self._process.sent:
            self.stop()

    def send(
        self, data: bytes, *, thumbnail: bool, side: int = limits.THUMBNAIL_SIDE, deadline: float = math.inf
    ) -> None:
        """Send an image, without waiting for it; it needs `has_room`.

        Args:
            side: the longest of the thumbnail. Above THUMBNAIL_SIDE a JPEG may be decoded at another size than for its
                embedding.
            deadline: on the monotonic clock, until which the invocation may work.

        Raises:
            ItemError: TOO_LARGE.
            OSError: no process starts. Images that were sent before are not affected.
        """
        if len(data) > limits.MAX_FILE_BYTES:  # the shared memory has no room for more
            raise ItemError(Code.TOO_LARGE, limits.TOO_LARGE_MESSAGE)
        self._pending.append(PictureToDecode(data, side if thumbnail else 0, deadline))
        if time.monotonic() < deadline:
            try:
                self._pass_on()
            except BaseException:
                self._pending.pop()  # else the caller, who receives no reply to it, would take it for the next one's
                self.stop()  # the process may have been sent it; the others are sent to a new one
                raise

    def receive(self, pixels: NDArray[np.float32] | None = None) -> PreparedImage:
        """Wait for the image that was sent first.

        Args:
            pixels: where its tensor is written, [1, 3, S, S].

        Raises:
            ItemError: the image is at fault; or POSTPONED, if the deadline came first.
            RuntimeError: no decoder process starts here, which is no image's fault.
        """
        try:
            try:
                return self._receive(pixels)
            except DecoderEnded:
                # The system may have been short of memory, and this image is not to blame: try once more.
                logger.warning("a decoder process ended; its picture is tried once more")
            try:
                return self._receive(pixels)
            except DecoderNotStarted:
                raise RuntimeError("no decoder process starts") from None
            except DecoderEnded:
                raise ItemError(Code.DECODER_CRASHED, "the picture ends the process that decodes it") from None
        finally:
            self._pending.popleft()

    def _receive(self, pixels: NDArray[np.float32] | None) -> PreparedImage:
        try:
            reply = self._next_reply()
        except BaseException:
            self.stop()  # it may still reply to this request, and the next one must not read that reply
            raise
        return self._prepared(reply, pixels)

    def _next_reply(self) -> Reply:
        if time.monotonic() >= self._pending[0].deadline:
            raise postponed()
        self._pass_on()
        assert self._process is not None
        return self._process.receive()

    def _pass_on(self) -> None:
        """Send the process what it has not been sent yet, to a new one if it has decoded its number of images."""
        if self._process is not None and self._decodes_left <= 0 and not self._process.sent:
            self.stop()
        self.start()
        assert self._process is not None
        while self._process.sent < len(self._pending) and self._decodes_left > 0:
            self._process.send(self._pending[self._process.sent])
            self._decodes_left -= 1

    def _prepared(self, reply: Reply, pixels: NDArray[np.float32] | None) -> PreparedImage:
        properties = reply.properties
        if "defect" in properties:
            raise RuntimeError(f"the decoder failed:\n{properties['defect']}")
        if "error" in properties:
            raise ItemError(Code(properties["error"]["code"]), properties["error"]["message"])
        side = self._config.size
        image = np.frombuffer(reply.square, np.uint8).reshape(side, side, 3)
        pixels = normalise(image, self._config, pixels)
        return PreparedImage(pixels, reply.thumbnail, perceptual_hash(image), **properties)
