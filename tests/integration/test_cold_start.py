"""What the functions load before their first request."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.workers import WORKERS

ROOT = Path(__file__).parents[2]


LOADED = "import sys, app; print(*sorted(name for name in sys.modules if name.startswith(tuple(sys.argv[1:]))))"


def loaded(handler: str, *prefixes: str) -> list[str]:
    """The modules with these prefixes that a function of this handler has imported when it waits for an event."""
    command = [sys.executable, "-c", LOADED, *prefixes]
    environment = os.environ | {"_HANDLER": handler}
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return process.stdout.split()


def test_the_application_starts_without_what_only_pages_need():
    of_pages = (
        "chalicelib.dashboard.",
        "chalicelib.services.sessions",
        "chalicelib.services.users",
        "jinja2",
        "markupsafe",
    )
    assert loaded("app.app", *of_pages) == ["chalicelib.dashboard.routes"]


@pytest.mark.parametrize("handler", [f"app.{WORKERS[0].queue}_worker", "app.purge"])
def test_a_worker_starts_without_what_only_requests_need(handler):
    assert loaded(handler, "chalicelib.api", "chalicelib.dashboard", "chalicelib.snapshot") == []
