"""How the Makefile sets up the environment: with interpreters that only write down what they are asked for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"
# Stands for an interpreter and its packages. ``$BROKEN`` is what it fails at.
PYTHON = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
    -c*) exit 0 ;;
    --version) echo "Python 3.12.1" ;;
    "-m venv"*)
        mkdir -p .venv/bin
        cp "$0" .venv/bin/python
        [ "$BROKEN" != venv ] ;;
    "-m infra.virtual_environment"*) [ "$BROKEN" != packages ] ;;
esac
"""


class Clone:
    """A clone whose ``make demo`` has every part of the setup, and no package."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commands = folder / "clone", folder / "commands"
        self.venv = self.folder / ".venv"
        self.folder.mkdir()
        self.commands.mkdir()
        shutil.copy(MAKEFILE, self.folder)
        (self.folder / "requirements-local.txt").touch()
        self._calls = folder / "calls"
        self.add_python("python3.12")

    def add_python(self, name: str, script: str = PYTHON) -> None:
        (self.commands / name).write_text(script)
        (self.commands / name).chmod(0o755)

    def make(self, *arguments: str, broken: str = "") -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": f"{self.commands}:/usr/bin:/bin", "CALLS": str(self._calls), "BROKEN": broken}
        return subprocess.run(
            ["make", "demo", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def calls(self) -> list[str]:
        """What the interpreters were asked for since the last time, but for their versions."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return [line for line in lines if " -c" not in line and "--version" not in line]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def environments(calls: list[str]) -> int:
    return sum("-m venv --clear .venv" in call for call in calls)


def installations(calls: list[str]) -> list[str]:
    return [call for call in calls if "-m infra.virtual_environment" in call]


def test_a_second_run_sets_nothing_up(clone: Clone):
    assert clone.make().returncode == 0
    first = clone.calls()
    assert environments(first) == len(installations(first)) == 1
    assert installations(first) == ["python -m infra.virtual_environment requirements-local.txt"]

    clone.make()
    assert [call.split()[:3] for call in clone.calls()] == [["python", "-m", "infra.demo"]]


def test_an_environment_that_was_interrupted_is_made_anew(clone: Clone):
    assert clone.make(broken="venv").returncode
    assert (clone.venv / "bin" / "python").exists()
    clone.calls()

    assert clone.make().returncode == 0
    assert environments(clone.calls()) == 1


def test_packages_that_could_not_be_installed_are_installed_by_the_next_run(clone: Clone):
    assert clone.make(broken="packages").returncode
    clone.calls()

    assert clone.make().returncode == 0
    again = clone.calls()
    assert (environments(again), len(installations(again))) == (0, 1)


def test_an_environment_whose_interpreter_is_gone_is_made_anew_with_all_packages(clone: Clone):
    clone.make()
    (clone.venv / "bin" / "python").unlink()
    clone.calls()

    assert clone.make().returncode == 0
    again = clone.calls()
    assert environments(again) == len(installations(again)) == 1


def test_an_environment_of_an_earlier_version_stays(clone: Clone):
    clone.make()
    (clone.venv / ".created").unlink()
    clone.calls()

    assert clone.make().returncode == 0
    assert environments(clone.calls()) == 0


def test_a_lock_that_has_changed_is_installed(clone: Clone):
    clone.make()
    ready = clone.venv / ".local-ready"
    os.utime(clone.folder / "requirements-local.txt", (ready.stat().st_mtime + 10,) * 2)
    clone.calls()

    clone.make()
    assert len(installations(clone.calls())) == 1


def test_an_interpreter_that_is_named_and_too_old_is_refused_and_no_other_is_taken(clone: Clone):
    clone.add_python("python3.10", "#!/bin/sh\nexit 1\n")
    refused = clone.make("PYTHON=python3.10")
    assert refused.returncode
    assert "3.13, and python3.10 is none." in refused.stderr
    assert not clone.venv.exists()


def test_without_an_interpreter_the_versions_are_named(clone: Clone):
    (clone.commands / "python3.12").unlink()
    for name in ("python3.13", "python3.11", "python3", "python"):
        clone.add_python(name, "#!/bin/sh\nexit 1\n")
    refused = clone.make()
    assert refused.returncode
    assert "Similarix needs Python 3.11, 3.12 or 3.13, and found none." in refused.stderr
