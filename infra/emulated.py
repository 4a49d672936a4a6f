"""The emulator's process, started by infra.emulator: it ends with the process that started it, and ends all it started.

The state is written only when the emulator ends by itself, so a parent that dies, however it dies, must not leave
it running unattended nor cut it short.
"""

import os
import signal
import sys
import threading


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Not at the top: it brings the emulator in, which reads its settings when imported.
    from ministack.app import main as emulate  # noqa: PLC0415

    sys.argv = ["ministack"]
    try:
        emulate()
    finally:
        # The Lambda functions' processes are in this one's group; the state is saved, nothing here is needed any more.
        os.killpg(0, signal.SIGKILL)


def _end_with_parent() -> None:
    # The other end of this pipe closes when the parent ends.
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
