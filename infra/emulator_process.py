"""The emulator's process, started by ``infra.emulator``: it ends with its parent, and ends its own children."""

import hashlib
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FUNCTION_STOP_SECONDS = 2  # for the functions' processes to end
METADATA_SUFFIX, UNFINISHED_SUFFIX = ".meta.json", ".tmp"  # of the emulator's files beside an object's


def main() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Not at the top: the emulator reads its settings, and its objects, when it is imported.
    repair_objects(Path(os.environ["S3_DATA_DIR"]))
    from infra.emulator_durability import DurableEmulator  # noqa: PLC0415
    from infra.folder_lock import end_run  # noqa: PLC0415

    state = Path(os.environ["STATE_DIR"])
    durable = DurableEmulator(state.parent, state)
    durable.attach()
    from ministack import app  # noqa: PLC0415
    from ministack.core import iam_evaluator  # noqa: PLC0415

    from infra.emulator_door import attach_door, verify_root  # noqa: PLC0415
    from infra.emulator_grants import GRANTS_VARIABLE, record_grants  # noqa: PLC0415
    from infra.emulator_limits import (  # noqa: PLC0415
        Demand,
        limit_functions,
        limit_workers,
        start_housekeeping,
    )
    from infra.emulator_logs import tell_ends_of_logs  # noqa: PLC0415
    from infra.emulator_memory import remember  # noqa: PLC0415
    from infra.emulator_server import serve  # noqa: PLC0415
    from infra.emulator_shortcuts import take_shortcuts  # noqa: PLC0415
    from infra.emulator_tables import complete_tables  # noqa: PLC0415

    verify_root()
    if file := os.environ.get(GRANTS_VARIABLE):
        record_grants(iam_evaluator, Path(file))
    attach_door()
    keep_queue_urls()
    keep_keys_literal()
    complete_tables()
    take_shortcuts()
    remember()
    tell_ends_of_logs()
    demand = Demand()
    limit_functions(demand)
    limit_workers(demand)
    start_housekeeping(Path("emulator.log"))
    try:
        serve(app.app)
    finally:
        try:
            durable.close()
            end_run(state.parent)
        except (OSError, sqlite3.Error):
            traceback.print_exc()  # the next run recovers
        finally:
            _end_functions()


def repair_objects(folder: Path) -> None:
    """Undo or complete the write of an object during which an earlier emulator was killed.

    It writes the object's bytes first and its ETag and size second. A new object without these is deleted: its writer
    has had no response. One that was overwritten has lost its old bytes, and gets the ETag and size of the new ones.
    """
    for file in list(_files(folder)):
        if file.name.endswith(UNFINISHED_SUFFIX):
            file.unlink()
        elif not file.name.endswith(METADATA_SUFFIX):
            metadata_file = file.with_name(file.name + METADATA_SUFFIX)
            if metadata_file.exists():
                _repair_metadata(file, metadata_file)
            else:
                file.unlink()


def _repair_metadata(file: Path, metadata_file: Path) -> None:
    status, metadata_status = file.stat(), metadata_file.stat()
    if metadata_status.st_size and status.st_mtime_ns <= metadata_status.st_mtime_ns:
        return
    try:
        metadata = json.loads(metadata_file.read_text())
    except ValueError:
        metadata = {}
    etag = str(metadata.get("etag", "")).strip('"')
    is_multipart = "-" in etag  # such an ETag is not the MD5 of the whole
    digest = hashlib.md5(file.read_bytes()).hexdigest()  # noqa: S324  # S3's choice
    if metadata.get("size") == status.st_size and (is_multipart or etag == digest):
        return
    metadata |= {"etag": f'"{digest}"', "size": status.st_size}
    unfinished = metadata_file.with_name(metadata_file.name + UNFINISHED_SUFFIX)
    unfinished.write_text(json.dumps(metadata))
    unfinished.replace(metadata_file)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        # Earlier versions of objects have no metadata of their own.
        folders[:] = [name for name in folders if name != ".versions"]
        yield from (Path(parent, name) for name in names)


def keep_queue_urls() -> None:
    """Have a queue keep the URL that it was created with, also when the emulator starts on another port later.

    The emulator makes URLs of queues with its port, and looks for a function's messages under the URL of today's port:
    after a start on another port, no function would receive a message.
    """
    from ministack.services import sqs  # noqa: PLC0415

    make_url = sqs._queue_url
    sqs._queue_url = lambda name: sqs._queue_name_to_url.get(name) or make_url(name)


def keep_keys_literal() -> None:
    """Have policies compare the keys of objects as they are.

    The emulator leaves out empty parts of a key, so a policy for a folder whose keys begin with a slash matched none.
    """
    from ministack.core import iam_actions  # noqa: PLC0415

    extract = iam_actions.extract_resource_arn

    def literal(service: str, method: str, path: str, *arguments: object, **named: object) -> object:
        bucket, _, key = path.removeprefix("/").partition("/")
        if service == "s3" and bucket and key:
            return f"arn:aws:s3:::{bucket}/{key}"
        return extract(service, method, path, *arguments, **named)

    iam_actions.extract_resource_arn = literal


def _end_with_parent() -> None:
    # The other end of this pipe closes when the parent ends. Read unbuffered: an interpreter that ends while a thread
    # has a buffered reader's lock aborts, and that error would hide in the log why it ended.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _end_functions() -> None:
    """End the functions' processes, which are in this one's group; the state is saved and no caller waits for them."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + FUNCTION_STOP_SECONDS
    with suppress(ChildProcessError):  # none is left
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
    # This process, too: threads that still wait for a function must not keep it alive.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    # The functions do not inherit this path.
    sys.path.append(str(Path(__file__).parent.parent))
    main()
