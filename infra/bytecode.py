"""Compiled modules for an archive of code.

Lambda's functions cannot write into the folder of their code, so without these each start compiles every module that it
imports, which is half of the time until the first request (docs/benchmarks.md). The modules are not compared with their
sources at import ("unchecked", https://peps.python.org/pep-0552/): an archive has both, and nobody changes one of them.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

# The same hashes in each process, so that the same sources have the same bytecode.
_ENVIRONMENT = {"PYTHONHASHSEED": "0"}
_IDENTITY = "import sys; print('python%d.%d' % sys.version_info[:2], sys.executable)"


class BytecodeError(Exception):
    """Modules could not be compiled; the message has Python's words."""


def find_interpreter(runtime: str, path: str = os.environ.get("PATH", os.defpath)) -> Path | None:
    """An interpreter whose bytecode a runtime reads; None if this machine has none.

    Args:
        runtime: Lambda's name of it, such as ``python3.13``, which is also the name of the command.
        path: folders of commands, as in PATH.
    """
    candidates = [Path(sys.executable), *(Path(folder, runtime) for folder in path.split(os.pathsep) if folder)]
    found = (_identity(candidate) for candidate in candidates)
    return next((executable for name, executable in filter(None, found) if name == runtime), None)


def compiled(files: Mapping[str, bytes], interpreter: Path) -> dict[str, bytes]:
    """The bytecode of the modules among the files, by the names under which this interpreter looks for it.

    Raises:
        BytecodeError: a module is no Python that the interpreter reads.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, content in files.items():
            if name.endswith(".py"):
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        # Tracebacks name a file where it lies: the import system writes that into what it reads.
        command = [str(interpreter), "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        process = subprocess.run(
            [*command, "-s", folder, folder], env=_ENVIRONMENT, capture_output=True, text=True, check=False
        )
        if process.returncode:
            raise BytecodeError(f"The modules could not be compiled:\n{process.stdout}{process.stderr}".rstrip())
        return dict(_bytecode(root))


def _bytecode(root: Path) -> Iterator[tuple[str, bytes]]:
    for path in root.rglob("*.pyc"):
        yield path.relative_to(root).as_posix(), path.read_bytes()


def _identity(command: Path) -> tuple[str, Path] | None:
    """The name and the executable of the Python that a command runs; None if it runs none.

    Managers of versions leave scripts by the names of interpreters, which run another file, or nothing.
    """
    try:
        process = subprocess.run([str(command), "-S", "-c", _IDENTITY], capture_output=True, text=True, check=False)
    except OSError:
        return None
    name, _, executable = process.stdout.strip().partition(" ")
    return (name, Path(executable)) if executable else None
