"""The emulator's process, started by ``infra.emulator``: it ends with its parent, and ends its own children.

The emulator writes its state only when it ends by itself, so the death of the parent must neither leave it running
nor kill it.
"""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

FUNCTION_STOP_SECONDS = 2  # for the functions' processes to end


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    release_messages(Path(os.environ["STATE_DIR"]), time.time())
    # Not at the top: the emulator reads its settings, and its state, when it is imported.
    from ministack.app import main as emulate  # noqa: PLC0415

    from infra.emulator_limits import limit_functions, start_housekeeping  # noqa: PLC0415

    limit_functions()
    start_housekeeping(Path("emulator.log"))
    sys.argv = ["ministack"]
    try:
        emulate()
    finally:
        _end_functions()


def release_messages(state: Path, now: float) -> None:
    """Make the messages visible again that functions had received when the emulator ended and they with it.

    Otherwise they stay hidden for the queue's visibility timeout: a sync that Ctrl-C interrupted would pause for many
    minutes.
    """
    file = state / "sqs.json"
    if not file.exists():
        return
    saved = json.loads(file.read_text())
    for queue in saved["payload"]["queues"]["data"].values():
        for message in queue["messages"]:
            if message["receive_count"]:  # a message sent with a delay has none, and stays hidden
                message["visible_at"] = min(message["visible_at"], now)
    file.write_text(json.dumps(saved))


def _end_with_parent() -> None:
    # The other end of this pipe closes when the parent ends. Read unbuffered: an interpreter that ends while a thread
    # has a buffered reader's lock aborts, and that error would hide in the log why it ended.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _end_functions() -> None:
    """End the functions' processes, which are in this one's group; the state is saved and no caller waits for them."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + FUNCTION_STOP_SECONDS
    with suppress(ChildProcessError):  # none is left
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
    # This process, too: threads that still wait for a function must not keep it alive.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    # The functions do not inherit this path.
    sys.path.append(str(Path(__file__).parent.parent))
    main()
