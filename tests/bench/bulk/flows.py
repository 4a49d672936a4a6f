"""The flows on one deployed system, with the code of whatever tree is on the path: ``measure`` prints JSON.

An earlier commit has no such module, so this one is run as a script there, and imports only what both have. The system
is the deployed template on the emulator; its tables are asked directly whether all is searchable, because a record is
saved after the vector store has the vector.
"""

import argparse
import io
import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from chalicelib.domain.collections import managed_prefix
from chalicelib.domain.files import file_uuid
from infra import seed
from infra.admin.deployment import Deployment
from infra.emulator import REGION, Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from infra.notifications import notify
from tests.bench.load.footprint import processes_by_function

CLIENTS = 4  # threads that copy objects, as the AWS command line does with ten
SAMPLES = 50  # different pictures that are copied
PICTURE_PIXELS = 64  # on each side
POLL_SECONDS = 0.25
TIMEOUT_SECONDS = 500
FOLDER = "photos"
TICKS_A_SECOND = 100  # of /proc/PID/stat: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
_CALLS = re.compile(r'"message": ?"message done".*?"calls": ?')
_INVOCATION = re.compile(r"ESM: Lambda \S+ processed ")
_DECODER = json.JSONDecoder()
_REQUEST = re.compile(r"\b(GET|HEAD|PUT|POST|DELETE) \S+ -> service=(\w+) ")

Figures = dict[str, float]


class Bench:
    def __init__(self, emulator: Emulator, system: LocalSystem) -> None:
        self._emulator, self._system = emulator, system
        self._deployment = Deployment(emulator.session(), emulator.endpoint, system.outputs)
        self._s3 = self._deployment.client("s3")
        self._api = seed.Api(system.api_url, system.token)
        collections = self._deployment.services.every_collection()
        self._account = next(c.account for c in collections if c.uuid == system.collection)
        self._random = np.random.default_rng(1)

    def copies(self, count: int) -> Figures:
        """Copies of objects into a connected bucket that sends its events, until each is searchable."""
        collection = self._connect("bulk-events")
        notify(self._s3, "bulk-events", f"{FOLDER}/", self._system.outputs["EventsQueueArn"])
        originals = [f"{FOLDER}/original-{number:02}.jpg" for number in range(SAMPLES)]
        for key in originals:
            self._put("bulk-events", key)
        self._wait(lambda: self._files(collection) == SAMPLES)

        def copy(number: int) -> None:
            source: Any = {"Bucket": "bulk-events", "Key": originals[number % SAMPLES]}
            self._s3.copy_object(Bucket="bulk-events", Key=_copy_key(number), CopySource=source)

        with self._measured() as figures:
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(copy, range(count)))
            self._wait(lambda: self._files(collection) == SAMPLES + count)
        return figures

    def deletes(self, count: int) -> Figures:
        """A batch deletion of the copies, until none is searchable."""
        collection = self._collection("bulk-events")
        with self._measured() as figures:
            for first in range(0, count, 1000):  # of a DeleteObjects
                objects: Any = [{"Key": _copy_key(number)} for number in range(first, min(first + 1000, count))]
                self._s3.delete_objects(Bucket="bulk-events", Delete={"Objects": objects, "Quiet": True})
            self._wait(lambda: self._files(collection) == SAMPLES)
        return figures

    def file_deletes(self, count: int) -> Figures:
        """The deletion of uploaded files by one request, until none is counted any more."""
        collection = self._system.managed_collection

        def upload(number: int) -> str:
            api = seed.Api(self._system.api_url, self._system.token)  # a session of requests is no thread's but its own
            name = f"{number:05}.jpg"
            api.call("POST", f"/collections/{collection}/upload/", files={"file": (name, self._picture())})
            return file_uuid(collection, managed_prefix(self._account, collection) + name)

        with ThreadPoolExecutor(CLIENTS) as pool:
            uuids = list(pool.map(upload, range(count)))
        with self._measured() as figures:
            self._api.call("POST", "/files/delete/", json={"files": uuids})
            self._wait(lambda: self._files(collection) == 0)
        return figures

    def first_sync(self, count: int) -> Figures:
        """The first sync of a bucket of different pictures, from the call to its end."""
        collection = self._connect("bulk-sync")
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda number: self._put("bulk-sync", f"{FOLDER}/{number:06}.jpg"), range(count)))
        return self._synced(collection, count)

    def _synced(self, collection: str, count: int) -> Figures:
        with self._measured() as figures:
            self._api.call("POST", f"/collections/{collection}/sync/")
            self._wait(lambda: self._sync_status(collection) != "in_progress")
        if self._files(collection) != count:
            raise RuntimeError(f"The sync ended with {self._files(collection)} of {count} objects.")
        return figures

    def first_sync_of_copies(self, count: int) -> Figures:
        """The first sync of a bucket of copies of few pictures, from the call to its end."""
        collection = self._connect("bulk-sync-copies")
        originals = [self._picture() for _ in range(SAMPLES)]

        def put(number: int) -> None:
            self._put("bulk-sync-copies", f"{FOLDER}/{number:06}.jpg", originals[number % SAMPLES])

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(put, range(count)))
        return self._synced(collection, count)

    @contextmanager
    def _measured(self) -> Iterator[Figures]:
        """Yields a dictionary that has the figures of the block after it.

        They are the seconds, the processor's seconds by process, and the calls and milliseconds that the workers have
        logged.
        """
        figures: Figures = {}
        time.sleep(2)  # what went before has ended, and is logged
        assert self._emulator.pid is not None
        log_size, used, began = self._emulator.log.stat().st_size, _used(self._emulator.pid), time.monotonic()
        yield figures
        figures["s"] = time.monotonic() - began
        for name, seconds in _used(self._emulator.pid).items():
            figures[f"cpu_{name}_s"] = seconds - used.get(name, 0)
        time.sleep(2)
        with self._emulator.log.open("rb") as log:
            log.seek(log_size)
            text = log.read().decode(errors="replace")
        figures |= _logged_calls(text) | {"invocations": float(len(_INVOCATION.findall(text)))}
        for _, service in _REQUEST.findall(text):
            name = f"requests_{service}"
            figures[name] = figures.get(name, 0) + 1

    def _connect(self, bucket: str) -> str:
        self._s3.create_bucket(Bucket=bucket)
        source = {"bucket": bucket, "folder": f"/{FOLDER}", "region": REGION}
        session, endpoint = self._emulator.session(), self._emulator.endpoint
        return seed.connect_bucket(session, endpoint, self._api, source, f"similarix-{bucket}", {"name": bucket})

    def _collection(self, name: str) -> str:
        return next(c.uuid for c in self._deployment.services.every_collection() if c.name == name)

    def _files(self, collection: str) -> int:
        found = self._deployment.services.adapters.collections.get(self._account, collection)
        assert found is not None
        return found.total_files

    def _sync_status(self, collection: str) -> str:
        found = self._deployment.services.adapters.collections.get(self._account, collection)
        assert found is not None
        return found.sync.status

    def _put(self, bucket: str, key: str, body: bytes | None = None) -> None:
        self._s3.put_object(Bucket=bucket, Key=key, Body=body or self._picture())

    def _picture(self) -> bytes:
        """A small JPEG that no other equals."""
        body = io.BytesIO()
        blocks = self._random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((PICTURE_PIXELS, PICTURE_PIXELS)).save(body, "JPEG", quality=85)
        return body.getvalue()

    @staticmethod
    def _wait(is_over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not is_over():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Not over after {TIMEOUT_SECONDS} s.")
            time.sleep(POLL_SECONDS)


def _copy_key(number: int) -> str:
    return f"{FOLDER}/copy-{number:05}.jpg"


def _used(emulator: int) -> dict[str, float]:
    """Seconds of the processor by the name of a function, or the emulator; of processes that live."""
    used: dict[str, float] = defaultdict(float)
    for name, processes in processes_by_function(emulator).items():
        for pid in processes:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            used[name] += (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    return used


def _logged_calls(log: str) -> Figures:
    """The workers' messages, and their calls and milliseconds by service."""
    sums: Figures = defaultdict(float)
    for match in _CALLS.finditer(log):
        sums["messages"] += 1
        calls: Mapping[str, Mapping[str, float]] = _DECODER.raw_decode(log, match.end())[0]
        for service, of_service in calls.items():
            sums[f"calls_{service}"] += of_service["count"]
            sums[f"calls_{service}_s"] += of_service["milliseconds"] / 1000
    return dict(sums)


def measure(copies: int, files: int, objects: int, emulator_class: type[Emulator] = Emulator) -> dict[str, Figures]:
    """The figures of each flow on a new system."""
    with tempfile.TemporaryDirectory() as folder, emulator_class(Path(folder), free_port()) as emulator:
        bench = Bench(emulator, bring_up(emulator, lambda _: None))
        found = {"copies": bench.copies(copies), "deletes": bench.deletes(copies)} if copies else {}
        found |= {"file_deletes": bench.file_deletes(files)} if files else {}
        if objects:
            found["first_sync"] = bench.first_sync(objects)
            found["first_sync_of_copies"] = bench.first_sync_of_copies(objects)
        return found


def counted(copies: int, files: int, objects: int) -> dict[str, Figures]:
    """As ``measure``, on an emulator that logs each request, which takes longer."""
    from tests.bench.sync.request_meter import LoggingEmulator  # it needs DynamoDB Local's module

    return measure(copies, files, objects, LoggingEmulator)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("copies", type=int)
    parser.add_argument("files", type=int)
    parser.add_argument("objects", type=int)
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    act = counted if options.count else measure
    print(json.dumps(act(options.copies, options.files, options.objects)))
