"""One image on its way through the embedder: its steps, its result or its own error; and the time of each phase."""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from embedder_container.errors import Code, ItemError, postponed

Result = dict[str, Any]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ObjectToEmbed:
    """One object: the presigned GET of its bytes, and the presigned PUT of its thumbnail if it gets one."""

    url: str
    thumbnail_url: str | None = None


@dataclass(frozen=True)
class ThumbnailToMake:
    """A further thumbnail of one object: the presigned GET of its bytes and the presigned PUT of the thumbnail.

    `side` is the longest, in pixels. `md5` is of the bytes from which it is made; None for any.
    """

    url: str
    thumbnail_url: str
    side: int
    md5: str | None = None


class Timings:
    """Milliseconds per phase, summed over threads: phases overlap, so their sum may exceed the total."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nanoseconds: Counter[str] = Counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the phase."""
        start = time.perf_counter_ns()
        try:
            yield
        finally:
            self.add(name, (time.perf_counter_ns() - start) / 1e9)

    def add(self, name: str, seconds: float) -> None:
        """Add time that was measured elsewhere."""
        with self._lock:
            self._nanoseconds[name] += round(seconds * 1e9)

    def milliseconds(self) -> dict[str, float]:
        """Return `{"inference_ms": 9.5, …}` for the phases that took place."""
        with self._lock:
            return {f"{name}_ms": round(spent / 1e6, 3) for name, spent in self._nanoseconds.items()}


class ImageTask:
    """One image to embed, until `deadline` (monotonic clock). After a step has failed, the following are skipped."""

    def __init__(
        self, url: str = "", thumbnail_url: str | None = None, data: bytes = b"", deadline: float = math.inf
    ) -> None:
        self.url = url
        self.thumbnail_url = thumbnail_url
        self.data = data
        self.deadline = deadline
        self.thumbnail = b""
        self.result: Result = {}

    def run_step(self, step: Callable[[], Result]) -> None:
        """Run a step unless an earlier one failed; add its fields to the result, or replace the result by its error."""
        if "error" not in self.result:
            fields = capture_item_error(step)
            self.result = fields if "error" in fields else self.result | fields

    def check_time(self) -> None:
        """Raise ItemError (POSTPONED) after the deadline."""
        if time.monotonic() > self.deadline:
            raise postponed()


def capture_item_error(step: Callable[[], Result]) -> Result:
    """Return the step's result, or its exception as the `error` of the one item that it concerns."""
    try:
        return step()
    except ItemError as error:
        failure = error
    except Exception:  # a defect that one item meets must not fail its neighbours; the log has the trace
        logger.exception("an item failed unexpectedly")
        failure = ItemError(Code.INTERNAL, "the embedder failed on this item; its log says why")
    return {
        "error": {"code": failure.code.value, "message": failure.message, "transient": failure.transient},
    }
