"""The memory that the decoder processes may take together, shared out before it is allocated."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from embedder_container import limits
from embedder_container.errors import Code, ItemError, postponed


class DecodeMemory:
    """What is left of the function's memory for large pictures.

    A picture within `SMALL_DECODE_BYTES` asks nobody: each process has as much.

    Args:
        function_bytes: the memory of the whole function.
        model_bytes: what the model takes of it.
        processes: of the decoder.
    """

    def __init__(self, function_bytes: int, model_bytes: int, processes: int) -> None:
        small = processes * limits.SMALL_DECODE_BYTES
        # One picture at least of any size that a function of the default memory can decode.
        self.size = max(limits.SMALL_DECODE_BYTES, function_bytes - limits.EMBEDDER_BYTES - model_bytes - small)
        self._free = self.size
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, needed: int, deadline: float) -> Iterator[None]:
        """Wait until so many bytes are free, and hold them.

        Raises:
            ItemError: there is not so much, or not until the deadline.
        """
        # The process has its share of small pictures' memory already.
        extra = max(0, min(needed, limits.DECODE_MEMORY_BYTES) - limits.SMALL_DECODE_BYTES)
        if extra > self.size:
            message = f"decoding the picture takes {needed / 1e6:,.0f} MB, which the embedder's memory has no room for"
            raise ItemError(Code.TOO_COSTLY, message)
        with self._changed:
            wait = min(deadline - time.monotonic(), threading.TIMEOUT_MAX)
            if not self._changed.wait_for(lambda: self._free >= extra, max(0.0, wait)):
                raise postponed()
            self._free -= extra
        try:
            yield
        finally:
            with self._changed:
                self._free += extra
                self._changed.notify_all()
