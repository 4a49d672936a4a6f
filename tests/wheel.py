"""A virtual environment that has nothing but the wheel of clients/python, as someone who installs it has."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements-local.txt", "requirements-dev.txt")


def install_wheel(folder: Path, *extras: str) -> Path:
    """Build the wheel, install it with these extras into ``folder``, and return its ``bin``.

    Its dependencies have the versions of the locks. Without a package index the test is skipped.
    """
    wheels = folder / "wheels"
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels), cwd=ROOT / "clients" / "python")
    (wheel,) = wheels.glob("*.whl")
    environment = folder / "environment"
    _run(sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(environment))
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    python = str(environment / "bin" / "python")
    constraints = [f"--constraint={ROOT / lock}" for lock in LOCKS]
    options = ("--quiet", "--python", python, *constraints)
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", *options, wanted], capture_output=True, text=True, check=False
    )
    if done.returncode and "error sending request" in done.stderr.lower():
        pytest.skip(f"no package index: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return environment / "bin"


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
