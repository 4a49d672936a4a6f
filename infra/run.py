"""``make run``: the whole system on this machine until Ctrl-C, its data kept in ``.local/`` for the next time."""

import argparse
import shutil
import signal
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra.cloudformation import DeploymentError
from infra.demo import table
from infra.deploy import LOCAL_MODEL
from infra.emulator import Emulator, EmulatorError
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from infra.opensearch.node import Node, NodeError
from infra.package import PackagingError
from infra.seed import SAMPLES, Api

FOLDER = Path(".local")
QUERY = "an owl"
STOPPED = "\nStopped. The next 'make run' finds everything as it is now."
# What is told in a sentence, without where in the code it came up.
TROUBLE = (
    EmulatorError,
    NodeError,
    DeploymentError,
    PackagingError,
    ClientError,
    BotoCoreError,
    RuntimeError,
    FileNotFoundError,
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="on 127.0.0.1 (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, help="where its data is kept (default: .local, with the model's and the store's name)"
    )
    parser.add_argument(
        "--model", default=LOCAL_MODEL, help="the embedder's model, fetched before (default: %(default)s)"
    )
    parser.add_argument(
        "--store",
        choices=["sqlite", "opensearch"],
        default="sqlite",
        help="where vectors are searched: a file, or a node of OpenSearch (default: %(default)s)",
    )
    parser.add_argument("--once", action="store_true", help="stop after the first answer, as the benchmark does")
    options = parser.parse_args()
    # Vectors of one model say nothing to another: each has its own data.
    folder = options.folder or _folder(options.model, options.store)
    stopping = stop_on_signals()
    began = time.monotonic()
    try:
        _forget_unfinished(folder)
        with ExitStack() as running:
            opensearch = None
            if options.store == "opensearch":
                print("Starting OpenSearch (the first time, its parts are fetched: 90 MB)", flush=True)
                opensearch = running.enter_context(Node(folder / "opensearch", free_port())).endpoint
            print("Starting the AWS emulator", flush=True)
            emulator = running.enter_context(Emulator(folder, options.port))
            stack = bring_up(emulator, _say, options.model, opensearch)
            _tell(stack, time.monotonic() - began)
            if not options.once:
                stopping.wait()
        if not options.once:
            print(STOPPED)
    except KeyboardInterrupt:
        print(STOPPED)
    except TROUBLE as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def stop_on_signals() -> threading.Event:
    """Have Ctrl-C and a service manager's stop interrupt what runs, and set the event.

    The interruption alone may be lost: one that comes while Python finalizes an object is ignored there.
    """
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopping


def _folder(model: str, store: str) -> Path:
    """Each model and store has a system of its own."""
    chosen = [name for name, usual in ((model, LOCAL_MODEL), (store, "sqlite")) if name != usual]
    return Path("-".join([str(FOLDER), *chosen]))


def _forget_unfinished(folder: Path) -> None:
    """A first run that did not get to its end left half a system: begin again."""
    if folder.exists() and not (folder / "stack.json").exists():
        shutil.rmtree(folder)


def _say(line: str) -> None:
    print(line, flush=True)


def _tell(stack: LocalSystem, seconds: float) -> None:
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
        f"  docs   {stack.api_url}/api/docs/",
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
