"""What the functions load before their first request."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_application_starts_without_what_only_pages_need():
    script = "import sys, app; print([name for name in sorted(sys.modules) if name.startswith(tuple(sys.argv[1:]))])"
    of_pages = (
        "chalicelib.dashboard.",
        "chalicelib.services.sessions",
        "chalicelib.services.users",
        "jinja2",
        "markupsafe",
    )
    command = [sys.executable, "-c", script, *of_pages]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "['chalicelib.dashboard.routes']"
