"""Search a running local system from the shell: ``python -m infra.demo [--folder .local] "an owl"``."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from infra.admin.command import printable
from infra.local_system import DEFAULT_FOLDER, LocalSystemNotFound, find_running
from infra.seed import Api

RESULT_COUNT = 5


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make demo", description="Search a running local system.")
    parser.add_argument("query", nargs="+", help="what the pictures show")
    parser.add_argument("--folder", type=Path, help="of the system (default: the one that runs)")
    options = parser.parse_args(arguments)
    try:
        system = find_running(options.folder)
        lines = search(Api(system.api_url, system.token), " ".join(options.query))
    except (LocalSystemNotFound, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


def command(query: str, folder: Path) -> str:
    """The shell command that searches the system of a folder."""
    words = f'make demo QUERY="{query}"'
    return words if folder == DEFAULT_FOLDER else f"{words} FOLDER={shlex.quote(str(folder))}"


def search(api: Api, query: str, limit: int = RESULT_COUNT) -> list[str]:
    """The results of a text search as lines for a person to read."""
    result = api.call("GET", "/search/", params={"query": query, "limit": limit})
    return result_lines(query, result["files"])


def result_lines(query: str, files: list[dict[str, Any]]) -> list[str]:
    if not files:
        return [f"No picture matches {query!r}."]
    return [f"Nearest to {query!r}:"] + [f"  {file['distance']:.3f}  {printable(file['file_name'])}" for file in files]


if __name__ == "__main__":
    sys.exit(main())
