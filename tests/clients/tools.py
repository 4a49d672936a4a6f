"""What generates and compiles clients: an installed language, and packages that are locked here."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra.maven import cache_folder, fetch, read_lock

ROOM = Path(__file__).parent
ROOT = ROOM.parents[1]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"  # requirements-clients.txt
SECONDS = 600  # for one command; a first download takes the longest


class Unavailable(Exception):
    """This machine lacks a language; the message says which."""


class ClientError(Exception):
    """A client cannot be generated, compiled or run; the message has the end of the command's output."""


def installed(program: str) -> str:
    """The path of an installed program; raises Unavailable without it."""
    path = shutil.which(program)
    if path is None:
        raise Unavailable(f"{program} is not installed")
    return path


def run(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Runs a command in a folder and returns its output; raises ClientError if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise ClientError(f"{' '.join(command)[:200]}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def node_modules() -> Path:
    """The packages of ``node/package-lock.json``, in a cache that all checkouts share."""
    lock = ROOM / "node" / "package-lock.json"
    folder = cache_folder() / "node" / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    ready = folder / "ready"
    if not ready.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(lock.with_name(name), folder)
        # No package's own code runs: esbuild's program comes in a package of its own.
        run([installed("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        ready.touch()
    return folder / "node_modules"


def openapi_generator(document: Path, generator: str, into: Path, *options: str) -> None:
    """Writes a client with openapi-generator."""
    (jar,) = fetch(read_lock(ROOM / "lock.json")["generator"])
    command = [installed("java"), "-jar", str(jar), "generate", "-i", str(document), "-g", generator, "-o", str(into)]
    run([*command, *options], into.parent)


def java_libraries() -> list[Path]:
    """What clients in Java are compiled with."""
    return fetch(read_lock(ROOM / "lock.json")["java"])
