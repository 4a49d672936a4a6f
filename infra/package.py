"""The application packaged for CloudFormation by Chalice: one SAM template and one archive of code.

    python -m infra.package [--thin]

writes ``sam.json`` and ``deployment.zip`` to ``build/package``, or ``build/thin``: without the packages that the API
needs, for the emulator, whose functions run on the interpreter of this project with the same packages installed there.
Chalice writes the template and chooses the application's files. The packages are those of ``requirements.txt``, each
file checked against its hash. Both have bytecode for the interpreter that runs the functions, and the same sources give
the same bytes: docs/decisions/0118-bytecode-in-the-package.md.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from infra import archive, bytecode, dependencies
from infra.archive import read_archive, write_archive
from infra.bytecode import BytecodeError, compiled, find_interpreter
from infra.dependencies import Dependency, Installation, InstallationError, install
from infra.process_lock import process_lock
from infra.template import read_template
from infra.template.edits import Template
from infra.template.versions import with_alias
from infra.workers import API, RUNTIME

ROOT = Path(__file__).resolve().parent.parent
STAGE = "live"
SAMPLES = Path("samples", "photos")  # which an account without pictures may try
PACKAGED = (".py", ".css", ".html", ".js", ".svg", ".webp", ".yaml")  # of the files of chalicelib
PYTHONS = ((3, 11), (3, 12), (3, 13))

WITHOUT_BYTECODE = (
    f"The package has no bytecode, so its functions take twice as long to start: put a {RUNTIME} on the PATH, and "
    "package again."
)

# Chalice asks for a region and writes it nowhere into the template.
_ANY_REGION = "us-east-1"


class PackagingError(Exception):
    """Chalice, pip or Python could not package the application; the message has their words.

    Commands print it: ``infra.package``, ``infra.deploy`` and ``make run``.
    """


@dataclass(frozen=True)
class Package:
    """A packaged application: the template as a value, and the archive that its functions' CodeUri names.

    Args:
        dependencies: what the archive has of the registry; none in a thin one.
        has_bytecode: whether its modules are compiled; else functions take twice as long to start.
    """

    template: Template
    code: Path
    dependencies: tuple[Dependency, ...] = ()
    has_bytecode: bool = True

    @property
    def sha256(self) -> str:
        """The archive's digest in hexadecimal digits."""
        return hashlib.sha256(self.code.read_bytes()).hexdigest()


def package(root: Path = ROOT, out: Path | None = None, *, thin: bool = False) -> Package:
    """Package the application in ``root``; at once if nothing has changed since the last time.

    Raises:
        PackagingError: Chalice, pip or the compilation failed, or Chalice does not know this Python.
    """
    if sys.version_info[:2] not in PYTHONS:
        raise PackagingError("Chalice packages with Python 3.11, 3.12 or 3.13: use one of these.")
    out = out or root / "build" / ("thin" if thin else "package")
    template, code, parts = out / "sam.json", out / "deployment.zip", out / "dependencies.json"
    digest_file = out / "inputs.sha256"
    own_part = json.dumps(read_template(), sort_keys=True)
    interpreter = Path(sys.executable) if thin else find_interpreter(RUNTIME)
    digest = _digest(root, own_part, interpreter, thin=thin)
    with process_lock(out.with_name(f"{out.name}.lock")):
        is_built = all(file.exists() for file in (template, code, parts, digest_file))
        if not (is_built and digest_file.read_text() == digest):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            _build(root, own_part, out, interpreter, thin=thin)
            digest_file.write_text(digest)
        taken = tuple(Dependency(**part) for part in json.loads(parts.read_text()))
        return Package(json.loads(template.read_text()), code, taken, interpreter is not None)


def _build(root: Path, own_part: str, out: Path, interpreter: Path | None, *, thin: bool) -> None:
    # A copy of the application's files: Chalice packages whatever lies in the folder, and leaves its own files there.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for path in _sources(root):
            target = copy / _place(path.relative_to(root))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        # Chalice would install them without looking at their hashes.
        (copy / "requirements.txt").write_text("")
        (copy / "template.json").write_text(own_part)
        _chalice(copy, "package", "--stage", STAGE, "--merge-template", "template.json", str(copy / "out"))
        template = with_alias(json.loads((copy / "out" / "sam.json").read_text()), API.name)
        files = read_archive(copy / "out" / "deployment.zip")
    installation = Installation((), {}) if thin else _install(root / "requirements.txt")
    (out / "sam.json").write_text(json.dumps(template, indent=1, sort_keys=True))
    (out / "dependencies.json").write_text(json.dumps([asdict(part) for part in installation.dependencies], indent=1))
    files = {**installation.files, **files}
    write_archive(out / "deployment.zip", files | (_compiled(files, interpreter) if interpreter else {}))


def _compiled(files: Mapping[str, bytes], interpreter: Path) -> dict[str, bytes]:
    try:
        return compiled(files, interpreter)
    except BytecodeError as error:
        raise PackagingError(str(error)) from error


def _install(lock: Path) -> Installation:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return install(lock, Path(folder), API.architecture)
        except InstallationError as error:
            raise PackagingError(str(error)) from error


def _chalice(project: Path, *arguments: str) -> None:
    # Without the developer's AWS profile: packaging calls no AWS service. No bytecode: it would be packaged.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"AWS_DEFAULT_REGION": _ANY_REGION, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())", *arguments]
    process = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if process.returncode:
        output = process.stdout + process.stderr
        raise PackagingError(f"Chalice could not package the application:\n{output}".rstrip())


def _place(path: Path) -> Path:
    """Where Chalice takes a file from: what lies in its folder ``vendor`` comes beside the application's files."""
    return Path("vendor") / path if path.parts[0] == SAMPLES.parts[0] else path


def _sources(root: Path) -> Iterator[Path]:
    yield from (root / "app.py", root / ".chalice" / "config.json", root / "requirements.txt")
    yield from sorted(path for path in (root / "chalicelib").rglob("*") if path.suffix in PACKAGED)
    yield from sorted((root / SAMPLES).glob("*.jpg"))


def _digest(root: Path, own_part: str, interpreter: Path | None, *, thin: bool) -> str:
    digest = hashlib.sha256()
    digest.update(f"{sys.version_info[:2]} {version('chalice')} {thin} {interpreter} {own_part}".encode())
    for path in (Path(__file__), *(Path(str(module.__file__)) for module in (archive, bytecode, dependencies))):
        digest.update(path.read_bytes())
    for path in _sources(root):
        digest.update(f"\0{path.relative_to(root)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description="Package the application.")
    parser.add_argument("--thin", action="store_true", help="without dependencies, for the local emulator")
    try:
        packaged = package(thin=parser.parse_args().thin)
    except PackagingError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{packaged.code.relative_to(ROOT)}: {packaged.code.stat().st_size / 1e6:.1f} MB, sha256 {packaged.sha256}")
    if not packaged.has_bytecode:
        print(WITHOUT_BYTECODE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
