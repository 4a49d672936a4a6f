"""The emulator's process, started by infra.emulator: it ends with the process that started it, and ends all it started.

The emulator writes its state only when it ends by itself, so a parent that dies, however it dies, must neither leave
it running unattended nor cut it short.
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

FUNCTIONS_SECONDS = 2  # for the functions' processes to be gone


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    release_messages(Path(os.environ["STATE_DIR"]), time.time())
    # Not at the top: the emulator reads its settings, and its state, when it is imported.
    from ministack.app import main as emulate  # noqa: PLC0415

    sys.argv = ["ministack"]
    try:
        emulate()
    finally:
        _end_functions()


def release_messages(state: Path, now: float) -> None:
    """Show again the messages that functions held when the emulator ended; those functions are no more.

    Else they stay hidden for as long as the queue allows a function that lives: a sync that Ctrl-C interrupted would
    rest for many minutes.
    """
    file = state / "sqs.json"
    if not file.exists():
        return
    saved = json.loads(file.read_text())
    for queue in saved["payload"]["queues"]["data"].values():
        for message in queue["messages"]:
            if message["receive_count"]:  # not one that is hidden because it was sent with a delay
                message["visible_at"] = min(message["visible_at"], now)
    file.write_text(json.dumps(saved))


def _end_with_parent() -> None:
    # The other end of this pipe closes when the parent ends. Unbuffered: a buffered reader's lock, held by a thread,
    # is a fatal error to an interpreter that ends meanwhile, and would be all that the log tells of why it did.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _end_functions() -> None:
    """End the functions' processes, which are in this one's group; the state is saved and nobody waits for them."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + FUNCTIONS_SECONDS
    with suppress(ChildProcessError):  # none is left
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
    # This process too: threads that still wait for a function must not keep it.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
