"""The command ``similarix`` on a terminal that shows pictures by sixels, and on one that shows none."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import pytest

from tests.conftest import ROOT
from tests.integration import terminal_search

# What a terminal is asked, with the answer of one that shows sixels: the fourth feature of its primary attributes.
# https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
SIXELS = {b"\x1b[c": b"\x1b[?62;4c", b"\x1b[16t": b"\x1b[6;20;10t"}
NONE = {b"\x1b[c": b"\x1b[?62c", b"\x1b[16t": b"\x1b[6;20;10t"}
# Rows, columns, and pixels that are not known.
SIZE = (24, 100, 0, 0)


def shown(answers: dict[bytes, bytes]) -> bytes:
    """What the terminal has got, below the log of the API."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE))
    sources = os.pathsep.join((str(ROOT), str(ROOT / "clients" / "python" / "src")))
    environment = {**os.environ, "PYTHONPATH": sources, "TERM": "xterm-256color"}
    command = [sys.executable, "-m", terminal_search.__name__]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.PIPE, env=environment) as process:
        os.close(slave)
        got, seen = b"", 0
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                piece = os.read(master, 65536)
            except OSError:  # the program has ended
                break
            got += piece
            for question, answer in answers.items():
                if question in got[seen:]:
                    os.write(master, answer)
            seen = len(got)
        assert process.stderr is not None
        errors = process.stderr.read()
    os.close(master)
    assert process.returncode == 0, errors.decode()
    return got.partition(terminal_search.BEGIN.encode())[2]


@pytest.mark.parametrize(
    ("answers", "sixels"),
    [(SIXELS, True), (NONE, False)],
    ids=["a terminal with sixels", "a terminal without pictures"],
)
def test_thumbnails_are_shown_where_the_terminal_shows_pictures(answers: dict[bytes, bytes], sixels: bool) -> None:
    got = shown(answers)
    assert b"red.jpg" in got
    # A device control string that ends its parameters with q: the beginning of a sixel picture.
    assert (re.search(rb"\x1bP[0-9;]*q", got) is not None) == sixels
