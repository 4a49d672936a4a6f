"""The guard in ``conftest.py`` fails a unit test that starts a process or a server, or connects to one."""

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest


def listen() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))


def connect() -> None:
    with suppress(Exception), socket.create_connection(("127.0.0.1", 1)):
        pass


@pytest.mark.parametrize(
    "act",
    [
        lambda: subprocess.run([sys.executable, "--version"], check=True),
        lambda: os.system("true"),
        lambda: os.posix_spawn(sys.executable, [sys.executable, "--version"], {}),
        lambda: multiprocessing.get_context("fork").Process().start(),
        lambda: multiprocessing.get_context("spawn").Process().start(),
        listen,
        connect,
    ],
    ids=["subprocess", "system", "posix_spawn", "fork", "spawn", "server", "connection"],
)
def test_a_process_a_server_and_a_connection_are_refused(act: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="tests/unit starts no process and no server"):
        act()


def test_a_pair_of_sockets_within_the_process_is_allowed() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"x")
        assert other.recv(1) == b"x"
