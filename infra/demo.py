"""Search the running local system from the shell: ``python -m infra.demo "an owl"``."""

import json
import sys
from pathlib import Path

import requests

from infra.seed import Api

STACK = Path(".local/stack.json")


def main(query: str) -> int:
    if not STACK.exists():
        print("No local system has been set up here. Start one first: make run", file=sys.stderr)
        return 1
    stack = json.loads(STACK.read_text())
    try:
        found = Api(stack["api_url"], stack["token"]).call("GET", "/search/", params={"query": query, "limit": 5})
    except requests.ConnectionError:
        print("The local system is not running. Start it in another shell: make run", file=sys.stderr)
        return 1
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(table(query, found["files"])))
    return 0


def table(query: str, files: list[dict[str, object]]) -> list[str]:
    """The answer to a text search as lines for a person to read."""
    if not files:
        return [f"Nothing found for {query!r}."]
    return [f"Nearest to {query!r}:"] + [f"  {file['distance']:.3f}  {file['file_name']}" for file in files]


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
