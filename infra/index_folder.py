"""``make index``: a folder of pictures of this machine, searched by the running local system.

    python -m infra.index_folder [--folder .local] ~/Pictures

copies the pictures below the folder to ``s3://pictures/PATH/OF/THE/FOLDER/…`` of the local system, connects them as a
collection and syncs it. The next time it copies only what has changed, and deletes from the bucket what is gone here.
"""

import argparse
import hashlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.collections import COLLECTION_NAME_LIMIT, KEY_LIMIT
from chalicelib.domain.image_files import ALL_EXTENSIONS
from chalicelib.domain.texts import is_storable
from infra import seed, variables
from infra.local_system import DEFAULT_FOLDER, LocalSystem, LocalSystemNotFound, find_running

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

BUCKET = "pictures"
SUFFIXES = frozenset(f".{extension}" for extension in ALL_EXTENSIONS)
CONCURRENT_COPIES = 4
PAUSE_SECONDS = 0.5  # between two looks at the sync
REPORT_SECONDS = 2.0  # between two lines of progress
DELETION_LIMIT = 1000  # objects that S3 deletes in one request
SHOWN_FAILURES = 5

Report = Callable[[str], None]


class FolderError(Exception):
    """The folder cannot be indexed; the message says why. ``make index`` prints it."""


class RemoteObject(NamedTuple):
    """An object of the bucket; its ETag is the MD5 of its bytes, because it was sent in one request."""

    etag: str
    size: int
    modified: datetime


@dataclass(slots=True)
class Scan:
    """What lies below a folder: its pictures by their path, how many other files, and what cannot be read or named."""

    pictures: dict[str, Path] = field(default_factory=dict)
    others: int = 0
    unusable: list[str] = field(default_factory=list)


def scan(folder: Path) -> Scan:
    """Find the pictures below a folder by their suffix, without hidden files and folders, and links to folders."""
    found = Scan()
    for place, folders, files in os.walk(folder, onerror=lambda error: found.unusable.append(str(error))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(place, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() not in SUFFIXES:
                found.others += 1
                continue
            relative = path.relative_to(folder).as_posix()
            if not is_storable(relative):
                found.unusable.append(f"{relative!r}: the name is not UTF-8")
            elif not os.access(path, os.R_OK):
                found.unusable.append(f"{relative}: the file cannot be read")
            else:
                found.pictures[relative] = path
    return found


def has_changed(path: Path, remote: RemoteObject | None) -> bool:
    """Whether a file differs from its copy in the bucket; its bytes are compared only if it is newer than the copy."""
    if remote is None:
        return True
    status = path.stat()
    if status.st_size != remote.size:
        return True
    if datetime.fromtimestamp(status.st_mtime, UTC) <= remote.modified:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest() != remote.etag


class PicturesFolder:
    """A folder of this machine and its collection in a local system."""

    def __init__(self, system: LocalSystem, folder: Path, report: Report) -> None:
        """Raises FolderError when there is no such folder, or its path is too long for a key."""
        self.path = folder.expanduser().resolve()
        if not self.path.is_dir():
            raise FolderError(f"There is no folder {self.path}.")
        if not is_storable(str(self.path)):
            raise FolderError(f"The path {str(self.path)!r} is not UTF-8.")
        self._system = system
        self._report = report
        self._api = seed.Api(system.api_url, system.token)
        self._s3: S3Client = system.deployment.client("s3")
        self._prefix = f"{str(self.path).strip('/')}/".lstrip("/")

    def copy(self) -> None:
        """Make the bucket equal to the folder.

        Raises:
            FolderError: there are no pictures in the folder, nor have there been.
        """
        found = scan(self.path)
        self._create_bucket()
        remote = self._objects()
        if not found.pictures and not remote:
            raise FolderError(f"There are no pictures in {self.path}. Pictures are {', '.join(sorted(SUFFIXES))}.")
        keys = {self._prefix + name: path for name, path in found.pictures.items()}
        too_long = [key for key in keys if len(key.encode()) > KEY_LIMIT]
        found.unusable += [f"{keys.pop(key)}: the path is too long" for key in too_long]
        changed = {key: path for key, path in keys.items() if has_changed(path, remote.get(key))}
        gone = sorted(remote.keys() - keys.keys())
        self._report(
            f"{len(keys):,} pictures in {self.path}: {len(changed):,} to copy, {len(gone):,} gone; "
            f"{found.others:,} other files left out"
        )
        for problem in found.unusable:
            self._report(f"- left out: {problem}")
        self._upload(changed)
        for start in range(0, len(gone), DELETION_LIMIT):
            objects: Any = [{"Key": key} for key in gone[start : start + DELETION_LIMIT]]
            self._s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects})

    def collection(self) -> str:
        """The identifier of the folder's collection, which is created the first time."""
        folder = "/" + self._prefix.strip("/")
        for collection in self._api.call("GET", "/collections/")["collections"]:
            if (collection["bucket"], collection["folder"]) == (BUCKET, folder):
                return str(collection["uuid"])
        deployment = self._system.deployment
        bucket = {"bucket": BUCKET, "folder": folder, "region": self._system.region}
        # A role for each folder: its external id is the folder's own.
        role = f"similarix-pictures-{hashlib.sha256(folder.encode()).hexdigest()[:16]}"
        options = {"name": str(self.path)[-COLLECTION_NAME_LIMIT:]}
        return seed.connect_bucket(deployment.session, deployment.endpoint, self._api, bucket, role, options)

    def sync(self, collection: str, *, confirm_removals: bool = False) -> None:
        """Sync the collection to the end, with progress.

        Raises:
            FolderError: the sync did not complete; the message has its reason.
        """
        path = f"/collections/{collection}"
        if self._api.call("GET", f"{path}/sync-status/")["status"] == "in_progress":
            self._report("Waiting for a sync that runs already")
            self._wait(path)
        self._api.call("POST", f"{path}/sync/", json={"confirm_removals": confirm_removals})
        status = self._wait(path)
        if status["status"] == "needs_confirmation":
            raise FolderError(f"{status['progress']['reason']} Here: make index with CONFIRM=yes.")
        if status["status"] != "completed":
            raise FolderError(f"The sync ended as {status['status']}: {status['progress']['reason']}")

    def summary(self, collection: str) -> list[str]:
        """How many pictures can be searched, and which could not be read."""
        path = f"/collections/{collection}"
        files = self._api.call("GET", f"{path}/")["collection"]["stats"]["total_files"]
        failed = self._api.call("GET", f"{path}/files/", params={"state": "failed", "limit": SHOWN_FAILURES})["files"]
        lines = [f"{files:,} pictures of {self.path} can be searched."]
        lines += [f"- not indexed: {_path_in(file['s3_uri'])}: {file['reason']}: {file['detail']}" for file in failed]
        if len(failed) == SHOWN_FAILURES:
            lines.append(f"- perhaps more: {self._system.api_url}/api{path}/files/?state=failed")
        return lines

    def _create_bucket(self) -> None:
        with suppress(self._s3.exceptions.BucketAlreadyOwnedByYou):
            self._s3.create_bucket(Bucket=BUCKET)

    def _objects(self) -> dict[str, RemoteObject]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=self._prefix)
        return {
            item["Key"]: RemoteObject(item["ETag"].strip('"'), item["Size"], item["LastModified"])
            for page in pages
            for item in page.get("Contents", [])
        }

    def _upload(self, files: Mapping[str, Path]) -> None:
        def put(key: str) -> str | None:
            try:
                self._s3.put_object(Bucket=BUCKET, Key=key, Body=files[key].read_bytes())
            except OSError as error:  # gone or locked since the scan
                return f"- left out: {error}"
            return None

        reported = time.monotonic()
        with ThreadPoolExecutor(CONCURRENT_COPIES) as pool:
            for number, problem in enumerate(pool.map(put, files), start=1):
                if problem:
                    self._report(problem)
                if time.monotonic() - reported > REPORT_SECONDS:
                    self._report(f"  {number:,} of {len(files):,} copied")
                    reported = time.monotonic()

    def _wait(self, path: str) -> dict[str, Any]:
        reported, shown = 0.0, ""
        while True:
            status = self._api.call("GET", f"{path}/sync-status/")
            progress = status["progress"]
            line = f"  {_finished(progress):,} of {progress['to_do']:,} done"
            ended = status["status"] != "in_progress"
            if progress["to_do"] and line != shown and (ended or time.monotonic() - reported > REPORT_SECONDS):
                self._report(line)
                reported, shown = time.monotonic(), line
            if ended:
                return status
            time.sleep(PAUSE_SECONDS)


def command(pictures: str, folder: Path) -> str:
    """The shell command that indexes a folder of pictures into the system of a folder."""
    words = f"make index PICTURES={pictures}"
    return words if folder == DEFAULT_FOLDER else f"{words} FOLDER={shlex.quote(str(folder))}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make index", description="Search a folder of your own pictures.")
    parser.add_argument("pictures", type=Path, help="the folder of pictures")
    parser.add_argument("--folder", type=Path, help="of the local system (default: the one that runs)")
    parser.add_argument("--confirm-removals", action="store_true", help="even if most of the pictures are gone")
    options = parser.parse_args(arguments)
    try:
        system = find_running(options.folder)
        pictures = PicturesFolder(system, options.pictures, _report)
        pictures.copy()
        collection = pictures.collection()
        pictures.sync(collection, confirm_removals=options.confirm_removals)
        _report_all(pictures.summary(collection))
    except (BotoCoreError, ClientError, FolderError, LocalSystemNotFound, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    _report_all(
        (
            "",
            'Search everything: make demo QUERY="a dog"',
            "Search these alone:",
            f"  {variables.command(options.folder or DEFAULT_FOLDER)}; export COLLECTION={collection}",
            '  curl -H "Authorization: Token $TOKEN" "$URL/api/search/?query=a+dog&collection=$COLLECTION"',
        )
    )
    return 0


def _finished(progress: Mapping[str, int]) -> int:
    return sum(progress[name] for name in ("done", "failed", "skipped", "removed"))


def _path_in(s3_uri: str) -> str:
    return "/" + s3_uri.removeprefix(f"s3://{BUCKET}/")


def _report(line: str) -> None:
    print(line, flush=True)


def _report_all(lines: Iterable[str]) -> None:
    for line in lines:
        _report(line)


if __name__ == "__main__":
    sys.exit(main())
