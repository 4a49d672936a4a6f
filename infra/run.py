"""``make run``: the whole system on this machine until Ctrl-C, its data kept in ``.local/`` for the next time.

The folder remembers the model and the vector store. Another one is offered as a migration.
"""

import argparse
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import SimilarixError
from infra import demo, index_folder, variables
from infra.cloudformation import DeploymentError
from infra.embedder import ModelError
from infra.emulator import Emulator, EmulatorError
from infra.emulator_durability import MIN_FREE_BYTES_FOR_OBJECTS
from infra.folder_lock import LOCK_FILE, FolderError, FolderLock
from infra.local_system import DEFAULT_FOLDER, OPENSEARCH_FOLDER, STACK_FILE, LocalSystem, bring_up, export_line, tidy
from infra.localhost import free_port, may_listen
from infra.migration import Step, choose_setup, continue_migration, discard_store, offer
from infra.opensearch.node import Node, NodeError
from infra.opensearch.supervisor import NodeSupervisor
from infra.package import PackagingError, package
from infra.seed import Api

FIRST_QUERY = "a bird"
_CURL = 'curl -H "Authorization: Token $TOKEN"'
CALLS = (
    f'{_CURL} "$URL/api/search/?query=dog"',
    f'{_CURL} -F file=@samples/photos/owl.jpg "$URL/api/search/"',
    f'{_CURL} "$URL/api/collections/$COLLECTION/"',
    f'{_CURL} -X POST "$URL/api/collections/$COLLECTION/sync/"',
    f'{_CURL} "$URL/api/collections/$COLLECTION/sync-status/"',
    f'{_CURL} -F file=@samples/photos/owl.jpg "$URL/api/collections/$MANAGED/upload/"',
)
# What a first run creates in its folder before stack.json.
FIRST_FILES = re.compile(
    r"emulator\.log.*|vectors\.sqlite.*|state|s3|tmp|opensearch|lock|holder\.json.*|root-key\.json.*"
)
STOPPED = "\nStopped. The next 'make run' continues with the same data."
STOPPED_EARLY = "\nStopped before the system was complete. The next 'make run' begins anew."
DISK_FULL = (
    f"The disk has less than {MIN_FREE_BYTES_FOR_OBJECTS // 1_000_000} MB left: uploads and syncs fail until there is "
    "room. Searches go on."
)
USAGE = "make run [PORT=4566] [FOLDER=.local] [MODEL=lite] [STORE=sqlite or opensearch] [MIGRATE=yes]"
LAST_PORT = 65535
CHECK_SECONDS = 1.0  # between two looks at the emulator and the disk


class ForeignFolderError(Exception):
    """A folder has files, and no local system; the message says what to do. ``make run`` prints it."""


class ForbiddenPortError(Exception):
    """The system gives a port to administrators alone; the message says what to do. ``make run`` prints it."""


# Printed as one sentence, without a traceback.
EXPECTED_ERRORS = (
    EmulatorError,
    FolderError,
    NodeError,
    DeploymentError,
    PackagingError,
    ClientError,
    BotoCoreError,
    RuntimeError,
    FileNotFoundError,
    ForeignFolderError,
    ForbiddenPortError,
    ModelError,
    SimilarixError,
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make run", description=__doc__, usage=USAGE)
    parser.add_argument("--port", type=_port, default=4566, help="on 127.0.0.1 (default: %(default)s)")
    parser.add_argument(
        "--folder", type=Path, default=DEFAULT_FOLDER, help="where its data is kept (default: %(default)s)"
    )
    parser.add_argument(
        "--model",
        help="the embedder's model, fetched before, or its folder: ./folder (default: the last one's, at first lite)",
    )
    parser.add_argument(
        "--store",
        choices=["sqlite", "opensearch"],
        help="where vectors are searched: a file, or a node of OpenSearch (default: the last one's, at first sqlite)",
    )
    parser.add_argument(
        "--migrate", action="store_true", help="change the system in the folder to another model or store"
    )
    parser.add_argument("--once", action="store_true", help="stop after the first search, as the benchmark does")
    options = parser.parse_args(arguments)
    folder = options.folder.expanduser()
    stopping = stop_on_signals()
    started = time.monotonic()
    try:
        check_folder(folder)
        check_port(options.port)
        with ExitStack() as processes:
            lock = processes.enter_context(FolderLock(folder))
            existing = LocalSystem.read(folder)
            setup = choose_setup(existing, options.model, options.store)
            if existing is not None and setup.changed and not options.migrate:
                print(offer(existing, setup, folder), file=sys.stderr)
                return 1
            remove_unfinished(folder)
            if Step.REINDEX in setup.changed:
                discard_store(folder, setup.store)  # of an earlier time
            opensearch, supervisor = None, None
            if setup.store == "opensearch":
                _report("Starting OpenSearch (the first time, its parts are fetched: 90 MB)")
                node = processes.enter_context(Node(folder / OPENSEARCH_FOLDER, free_port()))
                supervisor = processes.enter_context(NodeSupervisor(node, _report, give_up=stopping.set))
                opensearch = node.endpoint
            processes.callback(tidy, folder)  # when the emulator has stopped
            packaging = processes.enter_context(ThreadPoolExecutor(1)).submit(package, thin=True)
            _report("Starting the AWS emulator")
            emulator = processes.enter_context(Emulator(folder, options.port, lock))
            system = bring_up(emulator, _report, setup.model, opensearch, setup.steps, packaging.result())
            system = continue_migration(system, folder, _report)
            _introduce(system, folder, time.monotonic() - started, is_new=existing is None)
            if not options.once:
                _wait(stopping, emulator)
                if supervisor is not None:
                    supervisor.check()
        if not options.once:
            print(STOPPED)
    except KeyboardInterrupt:
        print(STOPPED if LocalSystem.read(folder) is not None else STOPPED_EARLY)
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


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, which is a number from 1 to {LAST_PORT}")
    return int(text)


def check_port(port: int, may_listen: Callable[[int], bool] = may_listen) -> None:
    """Raises ForbiddenPortError when the system does not let this user listen on the port."""
    if not may_listen(port):
        raise ForbiddenPortError(
            f"Port {port} is for administrators of this machine. Choose one from 1024 on: make run PORT=4600"
        )


def check_folder(folder: Path) -> None:
    """Raises ForeignFolderError when the folder's files are not those of a system; nothing in it is touched."""
    if not folder.exists() or LocalSystem.read(folder) is not None:
        return
    if not all(FIRST_FILES.fullmatch(path.name) for path in folder.iterdir()):
        raise ForeignFolderError(
            f"{folder} has files, and no local system. FOLDER names a folder for the data of the system, which is "
            f"created. To search your own pictures: make run, then in another shell make index PICTURES={folder}"
        )


def remove_unfinished(folder: Path) -> None:
    """A first run that was interrupted left half a system: start over."""
    if not folder.exists() or LocalSystem.read(folder) is not None:
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != LOCK_FILE:
            entry.unlink()


def _wait(stopping: threading.Event, emulator: Emulator) -> None:
    """Wait until the run is stopped, and say when the disk becomes full.

    Raises:
        EmulatorError: the emulator has ended by itself.
    """
    was_full = False
    while not stopping.wait(CHECK_SECONDS):
        if not emulator.running:
            raise EmulatorError(
                f"The emulator has ended unexpectedly. Its log is {emulator.log}. Start again: no data is lost."
            )
        is_full = shutil.disk_usage(emulator.folder).free < MIN_FREE_BYTES_FOR_OBJECTS
        if is_full and not was_full:
            _report(DISK_FULL)
        was_full = is_full


def _report(line: str) -> None:
    print(line, flush=True)


def _introduce(system: LocalSystem, folder: Path, seconds: float, *, is_new: bool) -> None:
    """Print the results of a first search, and how to go on; secrets only of a new system, so once."""
    results = demo.search(Api(system.api_url, system.token), FIRST_QUERY, limit=3)
    lines = [
        "",
        *results,
        "",
        f"Similarix is running, {seconds:.0f} s after the start. Ctrl-C stops it.",
        f"In a browser: {system.dashboard_url}",
        f"  sign in as {system.demo_user}, {_password(system, folder, is_new=is_new)}",
        f"Every call with examples: {system.api_url}/api/docs/",
        "",
        "In another shell, to search, and to index pictures of yours:",
        f"  {demo.command('a hammer', folder)}",
        f"  {index_folder.command('~/Pictures', folder)}",
        "To call the API:",
        f"  {export_line(system) if is_new else variables.command(folder)}",
        *(f"  {call}" for call in CALLS),
    ]
    print("\n".join(lines), flush=True)


def _password(system: LocalSystem, folder: Path, *, is_new: bool) -> str:
    return f"password {system.demo_password}" if is_new else f"with the demo_password of {folder / STACK_FILE}"


if __name__ == "__main__":
    sys.exit(main())
