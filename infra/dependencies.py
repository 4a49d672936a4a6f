"""The packages from the registry that the functions bring to Lambda: those of the lock, and no other file."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.workers import ARM64, RUNTIME, X86_64

# Amazon Linux 2023, whose glibc is 2.34: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
GLIBCS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
MACHINES = {ARM64: "aarch64", X86_64: "x86_64"}  # Lambda's names and those of wheels
PYTHON = RUNTIME.removeprefix("python")
# What an installer notes about itself, and commands, which no function runs.
_LEFT_OUT_FILES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_LEFT_OUT_FOLDERS = ("bin", "__pycache__")


class InstallationError(Exception):
    """The packages could not be installed; the message has pip's words."""


@dataclass(frozen=True, slots=True, order=True)
class Dependency:
    """A package from the registry; ``sha256`` is of the file that was taken of it, in hexadecimal digits."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Installation:
    """The packages of a lock, and their files by name."""

    dependencies: tuple[Dependency, ...]
    files: Mapping[str, bytes]


def install(lock: Path, folder: Path, architecture: str) -> Installation:
    """Install a lock as Lambda has it, whatever machine this is.

    Args:
        folder: an empty one, for the files.
        architecture: of the functions, as Lambda calls it.

    Raises:
        InstallationError: a file's hash is none of the lock's, or pip failed otherwise.
    """
    report = _pip(lock, architecture, "--target", str(folder), "--no-compile")
    return Installation(report, dict(_files(folder)))


def choose(lock: Path, architecture: str) -> tuple[Dependency, ...]:
    """Which files of a lock Lambda would have; nothing is installed.

    Raises:
        InstallationError: as ``install``.
    """
    return _pip(lock, architecture, "--dry-run", "--target", "unused")


def _pip(lock: Path, architecture: str, *options: str) -> tuple[Dependency, ...]:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]
    command += ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--report", "-"]  # the lock is complete
    command += ["--implementation", "cp", "--python-version", PYTHON, "--ignore-installed"]
    command += [f"--platform={glibc}_{MACHINES[architecture]}" for glibc in GLIBCS]
    process = subprocess.run([*command, *options, "--requirement", str(lock)], capture_output=True, check=False)
    if process.returncode:
        raise InstallationError(
            f"pip could not install {lock.name}:\n{process.stderr.decode(errors='replace')}".rstrip()
        )
    return tuple(sorted(map(_dependency, json.loads(process.stdout)["install"])))


def _dependency(installed: Mapping[str, object]) -> Dependency:
    # https://pip.pypa.io/en/stable/reference/installation-report/
    metadata, download = installed["metadata"], installed["download_info"]
    assert isinstance(metadata, dict)
    assert isinstance(download, dict)
    return Dependency(metadata["name"], metadata["version"], download["archive_info"]["hashes"]["sha256"])


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        is_note = name.parent.suffix == ".dist-info" and name.name in _LEFT_OUT_FILES
        if path.is_file() and not is_note and not set(name.parts) & set(_LEFT_OUT_FOLDERS):
            yield name.as_posix(), path.read_bytes()
