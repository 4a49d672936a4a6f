"""Callers of the API at once, each on a connection of its own, and what they measured."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlsplit

from infra.local_system import LocalSystem
from tests.bench.figures import figure, percentile

TIMEOUT_SECONDS = 60
ADJECTIVES = ("red", "small", "wet", "old", "sleeping", "striped", "wooden", "shiny", "tall", "round")
NOUNS = ("owl", "bridge", "panda", "castle", "hammer", "boat", "cup", "horse", "flower", "tower")
# Numbers make each text another one: what is measured is a search with its embedding, not the cache of texts.
TEXTS = itertools.count()


@dataclass
class Measurements:
    """What callers met: the seconds of each successful request, and the statuses of the others."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0

    def print(self, name: str) -> None:
        figure(f"{name}_rps", len(self.seconds) / (self.ended - self.began), "1/s")
        self.print_times(name)

    def print_times(self, name: str) -> None:
        for percent in (50, 95, 99) if self.seconds else ():
            # Twice, because a percentile takes two values at least.
            figure(f"{name}_p{percent}_ms", 1000 * percentile(self.seconds * 2, percent), "ms")
        figure(f"{name}_errors", len(self.errors), "errors")
        for error in sorted(set(self.errors))[:3]:
            print(f"  {name}: {error}", flush=True)


class Connection:
    """Requests with one token on one kept connection: the standard client costs a fifth of what `requests` does."""

    def __init__(self, system: LocalSystem) -> None:
        self._url = urlsplit(system.api_url)
        self._headers = {"Authorization": f"Token {system.token}"}
        self._connection = self._connect()

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """The status and the body of the response; the status is 0 where the connection failed."""
        try:
            self._connection.request(method, f"{self._url.path}/api{path}", body, self._headers | headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = self._connect()
            return 0, repr(error).encode()

    def _connect(self) -> http.client.HTTPConnection:
        assert self._url.hostname is not None
        return http.client.HTTPConnection(self._url.hostname, self._url.port, timeout=TIMEOUT_SECONDS)


def search(connection: Connection) -> tuple[int, bytes]:
    number = next(TEXTS)
    text = f"a {ADJECTIVES[number % 10]} {NOUNS[number // 10 % 10]} beside the house with number {number}"
    return connection.send("GET", f"/search/?query={quote_plus(text)}&limit=16")


def upload(connection: Connection, collection: str, name: str, picture: bytes) -> tuple[int, bytes]:
    boundary = "a-boundary-of-the-bench"
    part = f"--{boundary}\r\nContent-Disposition: form-data; name="
    head = f'{part}"replace"\r\n\r\ntrue\r\n{part}"file"; filename="{name}"\r\n\r\n'
    body = head.encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    content_type = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return connection.send("POST", f"/collections/{collection}/upload/", body, **content_type)


def measure_searches(system: LocalSystem, callers: int, seconds: float, warm_seconds: float) -> Measurements:
    """Searches of so many callers at once, each sending its next one when it has the response to the last one.

    Args:
        warm_seconds: first, uncounted, so that functions have started and have read the vectors.
    """
    measured, lock = Measurements(), threading.Lock()
    measured.began = time.monotonic() + warm_seconds
    measured.ended = measured.began + seconds

    def call() -> None:
        connection = Connection(system)
        while (began := time.monotonic()) < measured.ended:
            status, body = search(connection)
            taken = time.monotonic() - began
            with lock:
                if status != 200:
                    measured.errors.append(f"{status} {body[:200].decode(errors='replace')}")
                elif measured.began <= began and began + taken <= measured.ended:
                    measured.seconds.append(taken)

    _run_at_once(call, callers)
    return measured


def measure_first_burst(system: LocalSystem, callers: int) -> Measurements:
    """One search of each caller, at once."""
    measured, lock = Measurements(), threading.Lock()

    def call() -> None:
        connection, began = Connection(system), time.monotonic()
        status, body = search(connection)
        with lock:
            if status == 200:
                measured.seconds.append(time.monotonic() - began)
            else:
                measured.errors.append(f"{status} {body[:200].decode(errors='replace')}")

    _run_at_once(call, callers)
    return measured


@contextmanager
def uploads(system: LocalSystem, pictures: list[bytes], a_second: float) -> Iterator[Measurements]:
    """One caller that uploads meanwhile, one after the other, so many a second as long as the system keeps up."""
    measured, stopping = Measurements(), threading.Event()

    def call() -> None:
        connection, started = Connection(system), time.monotonic()
        for number in itertools.count():
            if stopping.wait(max(0.0, started + number / a_second - time.monotonic())):
                return
            # Always the same sixteen names, so that the number of vectors stays; each time bytes of its own.
            picture = pictures[number % len(pictures)] + time.time_ns().to_bytes(8)
            began = time.monotonic()
            status, body = upload(connection, system.managed_collection, f"upload-{number % 16}.jpg", picture)
            if status == 201:
                measured.seconds.append(time.monotonic() - began)
            else:
                measured.errors.append(f"{status} {body[:200].decode(errors='replace')}")

    thread = threading.Thread(target=call)
    measured.began = time.monotonic()
    thread.start()
    try:
        yield measured
    finally:
        measured.ended = time.monotonic()
        stopping.set()
        thread.join()


@contextmanager
def syncs(system: LocalSystem, s3: Any, pictures: dict[str, bytes]) -> Iterator[list[float]]:
    """Meanwhile, all pictures of the sample bucket change, and a sync embeds them again; then once more.

    Yields:
        the seconds of each completed sync.
    """
    completed: list[float] = []
    stopping = threading.Event()
    path = f"/collections/{system.collection}"

    def call() -> None:
        connection = Connection(system)
        while not stopping.is_set():
            for key, picture in pictures.items():
                s3.put_object(Bucket=system.sample_bucket, Key=key, Body=picture + time.time_ns().to_bytes(8))
            began = time.monotonic()
            connection.send("POST", f"{path}/sync/", b"{}", **{"Content-Type": "application/json"})
            while True:
                time.sleep(0.5)
                status, body = connection.send("GET", f"{path}/sync-status/")
                if status == 200 and json.loads(body)["result"]["status"] != "in_progress":
                    completed.append(time.monotonic() - began)
                    break
                if time.monotonic() - began > TIMEOUT_SECONDS:
                    break

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield completed
    finally:
        stopping.set()
        thread.join()


def _run_at_once(call: Any, callers: int) -> None:
    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
