"""One thing to embed on its way through the embedder: its steps, its time, its result or its own error."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder_container.errors import Code, ItemError

Result = dict[str, Any]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ObjectToEmbed:
    """One object: where its bytes are (presigned GET) and where its thumbnail goes (presigned PUT), if anywhere."""

    url: str
    thumbnail_url: str | None = None


class Timings:
    """Milliseconds per phase, summed over threads: phases overlap, so their sum may exceed the total."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent: Counter[str] = Counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the phase."""
        start = time.perf_counter_ns()
        try:
            yield
        finally:
            self.add(name, (time.perf_counter_ns() - start) / 1e9)

    def add(self, name: str, seconds: float) -> None:
        """Add time that was spent elsewhere."""
        with self._lock:
            self._spent[name] += round(seconds * 1e9)

    def milliseconds(self) -> dict[str, float]:
        """`{"inference_ms": 9.5, …}` for the phases that took place."""
        with self._lock:
            return {f"{name}_ms": round(spent / 1e6, 3) for name, spent in self._spent.items()}


class ImageTask:
    """One picture on its way. Once it has failed, nothing more is done about it."""

    def __init__(self, url: str = "", thumbnail_url: str | None = None, data: bytes = b"") -> None:
        self.url = url
        self.thumbnail_url = thumbnail_url
        self.data = data
        self.pixels: NDArray[np.float32] | None = None
        self.jpeg = b""
        self.result: Result = {}

    def attempt(self, step: Callable[[], Result]) -> None:
        """Take a step unless an earlier one failed, and keep what it finds, or its error alone."""
        if "error" not in self.result:
            found = capture_item_error(step)
            self.result = found if "error" in found else self.result | found


def capture_item_error(step: Callable[[], Result]) -> Result:
    """What a step finds, or the error of the one item that it was about."""
    try:
        return step()
    except ItemError as error:
        failure = error
    except Exception:  # a defect met by one item must not take its neighbours along; the log has the trace
        logger.exception("an item failed unexpectedly")
        failure = ItemError(Code.INTERNAL, "the embedder failed on this item; its log says why")
    return {
        "error": {"code": failure.code.value, "message": failure.message, "transient": failure.transient},
    }
