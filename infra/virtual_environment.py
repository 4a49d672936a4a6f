"""Installs a lock into the virtual environment that runs this: by uv, or where that cannot be, by pip.

    python -m infra.virtual_environment [--compile] requirements-local.txt

Both take files of the lock alone, each by its hash, and wheels alone, so that no package's own code runs. It needs no
package but pip. Docs: docs/decisions/0134-uv-installs-what-it-has-locked.md.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV_LOCK = ROOT / "requirements-uv.txt"
UNFINISHED = ".unfinished"  # in the environment, from the beginning of an installation to its end
# What a machine may need for its packages, and uv does not read where pip has it: https://pip.pypa.io/en/stable/cli/pip/
PIPS_OWN = ("index", "proxy", "client-cert", "trusted-host")
INTERRUPTED = 130  # as a shell says it
RETRY = "uv could not install the packages. Trying with pip, which takes longer."

Run = Callable[[Sequence[str]], int]  # runs a command to its end; returns its status


class Installer:
    """Args:
    prefix: the environment's folder.
    run: runs commands.
    settings: what pip is told by its files and variables, a line each, as ``pip config list`` prints it.
    """

    def __init__(self, prefix: Path, run: Run, settings: Callable[[], str]) -> None:
        self._python = str(prefix / "bin" / "python")
        self._uv = prefix / "bin" / "uv"
        self._unfinished = prefix / UNFINISHED
        self._run = run
        self._settings = settings

    def install(self, lock: Path, *, compiled: bool) -> int:
        """Returns the status of what has installed it last; 0: all is there.

        Neither tool notices what a package lacks whose installation was interrupted: after that all are written anew,
        uv too.

        Args:
            compiled: compile every module now; otherwise each is when it is first imported.
        """
        anew = self._unfinished.exists()
        self._unfinished.touch()
        status = 1
        if self._has_uv(anew=anew):
            status = self._install_by_uv(lock, anew=anew, compiled=compiled)
            if status:
                print(RETRY, file=sys.stderr)
        if status:
            status = self._install_by_pip(lock, anew=anew)
        if status == 0:
            self._unfinished.unlink()
        return status

    def _has_uv(self, *, anew: bool) -> bool:
        """Whether uv is there, or could be installed, and reads all that this machine's administrator has settled."""
        names = [line.partition("=")[0] for line in self._settings().splitlines()]
        if any(own in name for name in names for own in PIPS_OWN):
            return False
        return (self._uv.exists() and not anew) or self._install_by_pip(UV_LOCK, anew=anew) == 0

    def _install_by_uv(self, lock: Path, *, anew: bool, compiled: bool) -> int:
        command = [str(self._uv), "pip", "install", "--quiet", "--python", self._python, "--no-deps"]
        command += ["--require-hashes", "--only-binary", ":all:"]
        command += ["--reinstall"] * anew + ["--compile-bytecode"] * compiled
        return self._run([*command, "-r", str(lock)])

    def _install_by_pip(self, lock: Path, *, anew: bool) -> int:
        command = [self._python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--require-hashes", "--only-binary", ":all:"]
        return self._run([*command, *["--ignore-installed"] * anew, "-r", str(lock)])


def pip_settings() -> str:
    command = [sys.executable, "-m", "pip", "config", "list"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.virtual_environment", description="Install a lock.")
    parser.add_argument("lock", type=Path)
    parser.add_argument("--compile", action="store_true", help="compile every module now")
    options = parser.parse_args()
    installer = Installer(Path(sys.prefix), subprocess.call, pip_settings)
    try:
        return installer.install(options.lock, compiled=options.compile)
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
