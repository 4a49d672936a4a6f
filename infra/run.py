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

from infra import demo
from infra.cloudformation import DeploymentError
from infra.deploy import DEFAULT_MODEL
from infra.emulator import Emulator, EmulatorError
from infra.local_system import DEFAULT_FOLDER, DEFAULT_STORE, LocalSystem, bring_up, folder_for, tidy
from infra.localhost import free_port
from infra.opensearch.node import Node, NodeError
from infra.opensearch.supervisor import NodeSupervisor
from infra.package import PackagingError
from infra.seed import SAMPLES, Api

FIRST_QUERY = "an owl"
STOPPED = "\nStopped. The next 'make run' continues with the same data."
# Printed as one sentence, without a traceback.
EXPECTED_ERRORS = (
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
        "--folder",
        type=Path,
        help=f"where its data is kept (default: {DEFAULT_FOLDER}, with the model's and the store's name)",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="the embedder's model, fetched before (default: %(default)s)"
    )
    parser.add_argument(
        "--store",
        choices=["sqlite", "opensearch"],
        default=DEFAULT_STORE,
        help="where vectors are searched: a file, or a node of OpenSearch (default: %(default)s)",
    )
    parser.add_argument("--once", action="store_true", help="stop after the first search, as the benchmark does")
    options = parser.parse_args()
    folder = options.folder or folder_for(options.model, options.store)
    stopping = stop_on_signals()
    started = time.monotonic()
    try:
        _remove_unfinished(folder)
        with ExitStack() as processes:
            opensearch, supervisor = None, None
            if options.store == "opensearch":
                _report("Starting OpenSearch (the first time, its parts are fetched: 90 MB)")
                node = processes.enter_context(Node(folder / "opensearch", free_port()))
                supervisor = processes.enter_context(NodeSupervisor(node, _report, give_up=stopping.set))
                opensearch = node.endpoint
            processes.callback(tidy, folder)  # when the emulator has stopped
            _report("Starting the AWS emulator")
            emulator = processes.enter_context(Emulator(folder, options.port))
            system = bring_up(emulator, _report, options.model, opensearch)
            _introduce(system, folder, time.monotonic() - started)
            if not options.once:
                stopping.wait()
                if supervisor is not None:
                    supervisor.check()
        if not options.once:
            print(STOPPED)
    except KeyboardInterrupt:
        print(STOPPED)
    except EXPECTED_ERRORS as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def stop_on_signals() -> threading.Event:
    """Have Ctrl-C and a service manager's stop interrupt what runs, and set the event.

    The interruption alone may be lost: Python ignores one that comes while it finalizes an object.
    """
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopping


def _remove_unfinished(folder: Path) -> None:
    """A first run that was interrupted left half a system: start over."""
    if folder.exists() and LocalSystem.read(folder) is None:
        shutil.rmtree(folder)


def _report(line: str) -> None:
    print(line, flush=True)


def _introduce(system: LocalSystem, folder: Path, seconds: float) -> None:
    """Print the results of a first search, and how to go on."""
    results = demo.search(Api(system.api_url, system.token), FIRST_QUERY, limit=3)
    auth = f"-H 'Authorization: Token {system.token}'"
    owl = SAMPLES / "owl.jpg"
    picture = owl.relative_to(Path.cwd()) if owl.is_relative_to(Path.cwd()) else owl
    url, collections = f"{system.api_url}/api", f"{system.api_url}/api/collections"
    lines = [
        "",
        *results,
        "",
        f"Similarix is running, {seconds:.0f} s after the start. Ctrl-C stops it.",
        "",
        f"  URL    {system.api_url}",
        f"  token  {system.token}",
        f"  docs   {system.api_url}/api/docs/",
        "",
        "Try:",
        f"  {demo.command('a hammer', folder)}",
        f"  curl {auth} '{url}/search/?query=dog'",
        f"  curl {auth} -F file=@{picture} '{url}/search/'",
        f"  curl {auth} '{collections}/'",
        f"  curl {auth} '{collections}/{system.collection}/'",
        f"  curl {auth} -X POST '{collections}/{system.collection}/sync/'",
        f"  curl {auth} '{collections}/{system.collection}/sync-status/'",
        f"  curl {auth} -F file=@{picture} '{collections}/{system.managed_collection}/upload/'",
    ]
    print("\n".join(lines), flush=True)


if __name__ == "__main__":
    sys.exit(main())
