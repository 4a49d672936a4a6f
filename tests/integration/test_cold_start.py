"""What the functions load before their first request."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_application_starts_without_the_template_engine():
    script = "import sys, app; print(sorted({'jinja2', 'markupsafe'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
