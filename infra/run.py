"""``make run``: the whole system on this machine until Ctrl-C, its data kept in ``.local/`` for the next time."""

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.demo import table
from infra.deploy import LOCAL_MODEL
from infra.emulator import Emulator, EmulatorError
from infra.local import Stack, bring_up
from infra.package import PackagingError
from infra.seed import SAMPLES, Api
from infra.stack import DeploymentError

FOLDER = Path(".local")
QUERY = "an owl"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="on 127.0.0.1 (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where its data is kept (default: .local, or .local-MODEL)")
    parser.add_argument(
        "--model", default=LOCAL_MODEL, help="the embedder's model, fetched before (default: %(default)s)"
    )
    parser.add_argument("--once", action="store_true", help="stop after the first answer, as the benchmark does")
    options = parser.parse_args()
    # Vectors of one model say nothing to another: each has its own data.
    folder = options.folder or (FOLDER if options.model == LOCAL_MODEL else Path(f"{FOLDER}-{options.model}"))
    # The same way out for a service manager's stop as for Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        _forget_unfinished(folder)
        print("Starting the AWS emulator", flush=True)
        with Emulator(folder, options.port) as emulator:
            stack = bring_up(emulator, _say, options.model)
            _tell(stack, time.monotonic() - began)
            if not options.once:
                signal.pause()
    except KeyboardInterrupt:
        print("\nStopped. The next 'make run' finds everything as it is now.")
    except (
        EmulatorError,
        DeploymentError,
        PackagingError,
        ClientError,
        BotoCoreError,
        RuntimeError,
        FileNotFoundError,
    ) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def _forget_unfinished(folder: Path) -> None:
    """A first run that did not get to its end left half a system: begin again."""
    if folder.exists() and not (folder / "stack.json").exists():
        shutil.rmtree(folder)


def _say(line: str) -> None:
    print(line, flush=True)


def _tell(stack: Stack, seconds: float) -> None:
    api = Api(stack.api_url, stack.token)
    found = api.call("GET", "/search/", params={"query": QUERY, "limit": 3})
    auth = f"-H 'Authorization: Token {stack.token}'"
    owl = SAMPLES / "owl.jpg"
    picture = owl.relative_to(Path.cwd()) if owl.is_relative_to(Path.cwd()) else owl
    url, collections = f"{stack.api_url}/api", f"{stack.api_url}/api/collections"
    lines = [
        "",
        *table(QUERY, found["files"]),
        "",
        f"Similarix is running, {seconds:.0f} s after the start. Ctrl-C stops it.",
        "",
        f"  URL    {stack.api_url}",
        f"  token  {stack.token}",
        "",
        "Try:",
        '  make demo QUERY="a hammer"',
        f"  curl {auth} '{url}/search/?query=dog'",
        f"  curl {auth} -F file=@{picture} '{url}/search/'",
        f"  curl {auth} '{collections}/'",
        f"  curl {auth} '{collections}/{stack.collection}/'",
        f"  curl {auth} -X POST '{collections}/{stack.collection}/sync/'",
        f"  curl {auth} '{collections}/{stack.collection}/sync-status/'",
        f"  curl {auth} -F file=@{picture} '{collections}/{stack.managed_collection}/upload/'",
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
