"""Counts and times the calls to AWS services, for the log line of each request and message.

One function handles one event at a time, so the calls since the last line are those of this one. Calls that run at once
in threads are summed: their milliseconds may be more than the request's.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any

_STARTED = "similarix_started"

Summary = dict[str, dict[str, float]]


class CallLog:
    """Args:
    clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._calls: Summary = {}
        self._lock = Lock()

    def watch(self, client: Any) -> Any:
        """The client, which is watched from now on: its retries count as one call with the call that they repeat."""
        events = client.meta.events
        events.register("before-parameter-build", self._start)  # before any handler that might answer itself
        events.register("after-call", self._end)
        events.register("after-call-error", self._end)
        return client

    def take(self) -> Summary:
        """Calls and milliseconds by service, since the last time; then they count from zero."""
        with self._lock:
            taken, self._calls = self._calls, {}
        return {
            service: {"count": sums["count"], "milliseconds": round(sums["milliseconds"], 1)}
            for service, sums in taken.items()
        }

    def _start(self, *, model: Any, context: dict[str, Any], **_: Any) -> None:
        context[_STARTED] = (model.service_model.service_name, self._clock())

    def _end(self, *, context: dict[str, Any], **_: Any) -> None:
        service, started = context.pop(_STARTED)
        milliseconds = (self._clock() - started) * 1000
        with self._lock:
            sums = self._calls.setdefault(service, {"count": 0, "milliseconds": 0.0})
            sums["count"] += 1
            sums["milliseconds"] += milliseconds
