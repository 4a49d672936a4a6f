"""A unit test starts no process and no server, and connects to none: here such an attempt fails its test."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

import pytest

# The audit events of Python that say so: https://docs.python.org/3/library/audit_events.html
FORBIDDEN_EVENTS = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "subprocess.Popen",
    }
)


class _Guard:
    """An audit hook cannot be removed, so it stays for the whole run and acts only while ``active``."""

    active = False

    def audit(self, event: str, _: object) -> None:
        if self.active and event in FORBIDDEN_EVENTS:
            self.refuse(event)

    def refuse(self, event: str) -> None:
        # Not an Exception: code that handles all errors of a connection must not handle this one.
        pytest.fail(
            f"tests/unit starts no process and no server ({event}); move this test to tests/integration", pytrace=True
        )

    @contextmanager
    def on(self) -> Iterator[None]:
        self.active = True
        try:
            with pytest.MonkeyPatch.context() as patch:
                # A process that multiprocessing spawns raises no audit event.
                patch.setattr(BaseProcess, "start", lambda _: self.refuse("multiprocessing"))
                yield
        finally:
            self.active = False


_guard = _Guard()
sys.addaudithook(_guard.audit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """The fixtures too, also those of the whole session, which are set up before any that this file could have."""
    with _guard.on():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with _guard.on():
        return (yield)
