"""Runs a command that ends with the parent of this process: the parent's death closes standard input."""

import os
import signal
import subprocess
import sys
import threading

STOP_SECONDS = 25  # under those that infra.opensearch.node waits


def main(command: list[str]) -> int:
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    # A signal goes to the whole group, the child with it: this process only waits for the child's end.
    signal.signal(signal.SIGTERM, lambda *_: None)
    threading.Thread(target=_end_with_parent, args=(child,), daemon=True).start()
    return child.wait()


def _end_with_parent(child: "subprocess.Popen[bytes]") -> None:
    os.read(0, 1)  # the other end of this pipe closes when the parent ends
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
