"""What bounds the emulator on one machine: functions that run at once, logs and metrics in memory, and its log file.

AWS has a machine for each invocation and forgets logs after the days of their group. The emulator starts a process for
each invocation that finds none idle, all on the processors of this machine, and keeps every log line and data point in
memory until it ends. It has no settings for either, so this module reaches into it.
"""

import fcntl
import os
import shutil
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chalicelib.domain.messages import Queue
from infra.workers import API, EMBEDDER, WORKERS

PROCESSORS = os.cpu_count() or 1
# Of a search, a third of the time is the emulator's, one process for all: more functions at once than two for each
# processor do not search more, but start for seconds, and take 80 MB each.
FUNCTIONS_AT_ONCE = 2 * PROCESSORS
EMBEDDERS_AT_ONCE = PROCESSORS
# Of one queue. More would start for seconds each, and stand between a caller and the emulator, one process for all.
WORKERS_AT_ONCE = PROCESSORS
# Of a queue with much work that nobody waits for: half of the machine is left to requests and events, while there are
# any. They are taken to have ended when none has come for so long; of a caller who waits, the next one comes sooner.
BULK_WORKERS_AT_ONCE = max(1, PROCESSORS // 2)
BULK_QUEUES = (Queue.SYNC, Queue.INDEX, Queue.DELETIONS)
QUIET_SECONDS = 0.5
_BULK_FUNCTIONS = tuple(f"-{row.function.lambda_name}" for row in WORKERS if row.queue in BULK_QUEUES)
HOUSEKEEPING_SECONDS = 30
MAX_LOG_BYTES = 10_000_000  # of the emulator's log; as much again is kept as `….1`
KEPT_STREAMS = 500  # of a function's log, one for each invocation
KEPT_POINTS = 1_000  # of a metric
SEARCH_PATHS = ("/search", "/similar")  # ends of the API's paths


class Turns:
    """Lets a number of callers in at a time; the others wait in the order in which they came."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiting: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until it is the caller's turn, which lasts as long as the context."""
        with self._lock:
            has_turn = self._free > 0
            if has_turn:
                self._free -= 1
            else:
                admitted = threading.Event()
                self._waiting.append(admitted)
        if not has_turn:
            admitted.wait()
        try:
            yield
        finally:
            with self._lock:
                # Handed over, so that no newcomer comes before the first who waits.
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._free += 1


class Demand:
    """Whether anybody wants more of the machine than bulk work: a request, an event or an upload runs, or just has.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running = 0
        self._ended_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def is_quiet(self) -> bool:
        with self._lock:
            return not self._running and self._clock() - self._ended_at >= QUIET_SECONDS

    @contextmanager
    def invocation(self, function: str) -> Iterator[None]:
        """The time of an invocation; one of bulk work, or of the embedder, which serves both, is no demand."""
        if function.endswith((*_BULK_FUNCTIONS, f"-{EMBEDDER.lambda_name}")):
            yield
            return
        with self._lock:
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self._ended_at = self._clock()


def lane(function: str, event: Any) -> tuple[str, int] | None:
    """The queue in which an invocation waits, and how many of that queue run at once; None if it need not wait.

    Functions call the embedder and nothing calls back, so that no invocation waits for one that waits for it. Workers
    do not wait here, because a message that waits would become visible again: ``limit_workers`` bounds them.
    """
    event = event if isinstance(event, dict) else {}
    if function.endswith(f"-{EMBEDDER.lambda_name}"):
        # A text takes milliseconds and must not wait for pictures, nor an upload's picture for the batches of a sync.
        kind = "texts" if "texts" in event else "batches" if len(event.get("objects") or ()) > 1 else "pictures"
        return f"{function} {kind}", EMBEDDERS_AT_ONCE
    if function.endswith(f"-{API.lambda_name}"):
        # However many search, an upload or a page of thumbnails waits for none of them.
        is_search = str(event.get("path", "")).rstrip("/").endswith(SEARCH_PATHS)
        return (f"{function} searches" if is_search else function), FUNCTIONS_AT_ONCE
    return None


def limit_functions(demand: Demand) -> None:
    """Have the emulator run a limited number of functions at once; the other invocations wait for their turn.

    Its own limits refuse instead of having callers wait: they are those of AWS, where there is always room.
    """
    from ministack.services import lambda_svc  # noqa: PLC0415 - it reads its settings when it is imported

    queues: dict[str, Turns] = {}
    lock = threading.Lock()
    run: Callable[..., Any] = lambda_svc._execute_function_dispatch

    def run_in_turn(function: Any, config: dict[str, Any], event: Any, *arguments: Any) -> Any:
        called = config.get("FunctionName", "")
        place = lane(called, event)
        with demand.invocation(called):
            if place is None:
                return run(function, config, event, *arguments)
            name, limit = place
            with lock:
                turns = queues.setdefault(name, Turns(limit))
            with turns.turn():
                return run(function, config, event, *arguments)

    lambda_svc._execute_function_dispatch = run_in_turn


def limit_workers(demand: Demand) -> None:
    """Have the worker of each queue run a limited number of times at once; its messages wait in the queue."""
    from ministack.services import lambda_svc  # noqa: PLC0415

    allowed: Callable[..., int] = lambda_svc._sqs_esm_concurrency
    lambda_svc._sqs_esm_concurrency = lambda source, *arguments: min(
        workers_at_once(source["FunctionName"], is_quiet=demand.is_quiet), allowed(source, *arguments)
    )


def workers_at_once(function: str, *, is_quiet: bool) -> int:
    """How many invocations of a queue's worker run at once; ``is_quiet`` says that nobody else wants the machine."""
    return BULK_WORKERS_AT_ONCE if function.endswith(_BULK_FUNCTIONS) and not is_quiet else WORKERS_AT_ONCE


def start_housekeeping(log: Path) -> None:
    """Have a thread forget old logs and metrics and shorten the log file, now and then.

    Args:
        log: the file that is this process's standard output.
    """
    # What is written after the file was shortened goes to its new end.
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_APPEND)
    threading.Thread(target=_keep_house, args=(log,), name="housekeeping", daemon=True).start()


def _keep_house(log: Path) -> None:
    while True:
        time.sleep(HOUSEKEEPING_SECONDS)
        with suppress(OSError):  # a full disk; the next turn may find room
            shorten_log(log, 1)
        forget_old_logs()


def shorten_log(log: Path, descriptor: int, max_bytes: int = MAX_LOG_BYTES) -> None:
    """Move what the log has to a second file and empty it, if it is too long; its writers have it open."""
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size > max_bytes:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.ftruncate(descriptor, 0)


def forget_old_logs() -> None:
    """Forget the oldest log streams of each function, and the oldest points of each metric."""
    from ministack.services import cloudwatch, cloudwatch_logs  # noqa: PLC0415

    for _, group in cloudwatch_logs._log_groups.all_items():
        forget_oldest(group["streams"], KEPT_STREAMS)
    for _, points in cloudwatch._metrics.all_items():
        del points[:-KEPT_POINTS]


def forget_oldest(entries: dict[str, Any], kept: int) -> None:
    """Remove the entries that were added first; other threads may add some meanwhile."""
    for name in list(entries)[:-kept]:
        entries.pop(name, None)
