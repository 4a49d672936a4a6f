"""The shell's variables for a running local system, its token among them: ``eval "$(make -s variables)"``."""

import argparse
import shlex
import sys
from pathlib import Path

from infra.local_system import DEFAULT_FOLDER, LocalSystemNotFound, export_line, find_running


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make variables", description="Print a command that sets the variables.")
    parser.add_argument("--folder", type=Path, help="of the system (default: the one that runs)")
    try:
        print(export_line(find_running(parser.parse_args(arguments).folder)))
    except LocalSystemNotFound as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def command(folder: Path) -> str:
    """The shell command that sets the variables without showing the token."""
    words = "make -s variables"
    return f'eval "$({words if folder == DEFAULT_FOLDER else f"{words} FOLDER={shlex.quote(str(folder))}"})"'


if __name__ == "__main__":
    sys.exit(main())
