"""The end of what an invocation has logged, told by the function's process itself.

The emulator takes an invocation's lines from a pipe and its result from another, so it waits after each result until no
line has come for five milliseconds, or for fifty if none came at all. Here the process writes a last line before the
result, and the emulator waits for that. The names with an underscore belong to the pinned version of the emulator;
tests/integration/infra/test_emulator_logs.py fails where another one differs.
"""

import time
from collections.abc import Callable
from queue import Empty
from typing import Any
from weakref import WeakKeyDictionary

END = "\x1eend of the invocation"  # begins with a control character, which nobody logs
MAX_SECONDS = 0.25  # for which the emulator waits, too
_HANDLED = "            result = handler_fn(event, context)\n"  # in the program that calls a function's handler


def tell_ends_of_logs() -> None:
    """Have processes of functions in Python tell where an invocation's log ends, and the emulator wait for that."""
    # It reads its settings when it is imported.
    from ministack.core import lambda_runtime  # noqa: PLC0415

    lambda_runtime._PYTHON_WORKER_SCRIPT = telling_end(lambda_runtime._PYTHON_WORKER_SCRIPT)
    lambda_runtime.Worker._drain_stderr_bounded = until_end(lambda_runtime.Worker._drain_stderr_bounded)


def telling_end(program: str) -> str:
    """The program, which writes the last line once the handler has returned.

    Raises:
        ValueError: it calls the handler in another way.
    """
    if program.count(_HANDLED) != 1:
        raise ValueError("The emulator calls handlers in another way.")
    return program.replace(_HANDLED, f"{_HANDLED}            print({END!r}, file=sys.stderr, flush=True)\n")


def until_end(wait: Callable[..., str]) -> Callable[..., str]:
    """What a process has logged up to the last line, which is left out.

    Args:
        wait: for a process that writes no such line, because it is in another language or its handler has failed.
    """
    # By the queue of a process: last lines that did not come in time. Each is that of an invocation before.
    late: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def logged(worker: Any, **waits: float) -> str:
        has_failed = worker._proc is None
        if has_failed or not worker.config.get("Runtime", "").startswith("python"):
            return wait(worker, **waits).replace(END, "")
        written, lines = worker._stderr_queue, list[str]()
        deadline = time.monotonic() + MAX_SECONDS
        while (seconds := deadline - time.monotonic()) > 0:
            try:
                line: str = written.get(timeout=seconds)
            except Empty:
                break
            if not line.endswith(END):
                lines.append(line)
            elif late.get(written):
                late[written] -= 1
                lines.clear()
            else:  # what was logged last may have no end of its line
                return "\n".join([*lines, *filter(None, [line.removesuffix(END)])])
        late[written] = late.get(written, 0) + 1
        return "\n".join(lines)

    return logged
