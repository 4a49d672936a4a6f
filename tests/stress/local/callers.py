"""Callers of a local system, who remember what was answered: uploads, deletions, changes to the bucket, searches."""

import hashlib
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Set
from typing import Any

import requests
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.files import file_uuid
from infra import seed
from infra.emulator import Emulator
from infra.local_system import LocalSystem
from infra.localhost import direct_session

FOLDER = f"{seed.FOLDER}/stress/"
SIZE = 32  # bytes of the end of a picture that make it one of its own
TIMEOUT_SECONDS = 20
QUERIES = ("an owl", "a hammer", "a dog", "a boat", "balloons", "a white bird")


class Callers:
    """Runs each caller in a thread of its own between ``start`` and ``stop``.

    Args:
        emulator: at which the system listens; it is not started or stopped here.
        account: of the managed collection.

    ``present`` has the MD5 of each file that must be there, by collection's name and key; ``absent`` the keys that must
    not be there. A change without an answer is in neither.
    """

    def __init__(self, emulator: Emulator, system: LocalSystem, account: str, rng: random.Random) -> None:
        self._system, self._account, self._rng = system, account, rng
        self._pictures = [path.read_bytes() for path in sorted(seed.SAMPLES.glob("*.jpg"))[:12]]
        self._s3: Any = emulator.session().client(
            "s3",
            endpoint_url=emulator.endpoint,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=TIMEOUT_SECONDS),
        )
        self.present: dict[tuple[str, str], str] = {}
        self.absent: set[tuple[str, str]] = set()
        self.answered: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._repeat, args=(action, random.Random(self._rng.random())))
            for action in (
                self._upload, self._upload, self._delete, self._change_object, self._search, self._sync,
            )
        ]  # fmt: skip
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def answers(self) -> tuple[dict[tuple[str, str], str], set[tuple[str, str]]]:
        """What is present and what is absent, as far as it was answered by now."""
        with self._lock:
            return dict(self.present), set(self.absent)

    def forget_since(self, present: Mapping[tuple[str, str], str], absent: Set[tuple[str, str]]) -> None:
        """Take for uncertain what was answered since ``answers`` returned these."""
        with self._lock:
            self.present = {key: digest for key, digest in self.present.items() if present.get(key) == digest}
            self.absent &= absent

    def managed_key(self, name: str) -> str:
        return f"objects/{self._account}/{self._system.managed_collection}/{name}"

    def _repeat(self, action: Callable[[requests.Session, random.Random], None], rng: random.Random) -> None:
        session = direct_session()
        session.headers["Authorization"] = f"Token {self._system.token}"
        while not self._stopping.wait(rng.uniform(0, 0.2)):
            try:
                action(session, rng)
            except (requests.RequestException, BotoCoreError, ClientError):
                continue  # it was not answered

    def _upload(self, session: requests.Session, rng: random.Random) -> None:
        name, body = f"{uuid.uuid4()}.jpg", self._picture(rng)
        url = f"{self._system.api_url}/api/collections/{self._system.managed_collection}/upload/"
        response = session.post(url, files={"file": (name, body, "image/jpeg")}, timeout=TIMEOUT_SECONDS)
        if response.status_code == 201:
            self._record("uploads", "managed", self.managed_key(name), _md5(body))

    def _delete(self, session: requests.Session, rng: random.Random) -> None:
        key = self._take("managed", rng)
        if key is None or rng.random() < 0.5:
            return
        url = f"{self._system.api_url}/api/files/{file_uuid(self._system.managed_collection, key)}/"
        if session.delete(url, timeout=TIMEOUT_SECONDS).ok:
            self._record("deletions", "managed", key, None)

    def _change_object(self, session: requests.Session, rng: random.Random) -> None:
        """One caller alone: of two changes of one key at the same time, either may be the last."""
        (self._put_object if rng.random() < 0.7 else self._delete_object)(session, rng)

    def _put_object(self, _: requests.Session, rng: random.Random) -> None:
        key, body = f"{FOLDER}{rng.randrange(60):04}.jpg", self._picture(rng)
        with self._lock:
            self.present.pop(("samples", key), None)
            self.absent.discard(("samples", key))
        self._s3.put_object(Bucket=seed.BUCKET, Key=key, Body=body)
        self._record("objects", "samples", key, _md5(body))

    def _delete_object(self, _: requests.Session, rng: random.Random) -> None:
        key = self._take("samples", rng)
        if key is not None:
            self._s3.delete_object(Bucket=seed.BUCKET, Key=key)
            self._record("objects", "samples", key, None)

    def _search(self, session: requests.Session, rng: random.Random) -> None:
        parameters: dict[str, str | int] = {"query": rng.choice(QUERIES), "limit": 100}
        url = f"{self._system.api_url}/api/search/"
        if session.get(url, params=parameters, timeout=TIMEOUT_SECONDS).ok:
            self.answered["searches"] += 1

    def _sync(self, session: requests.Session, rng: random.Random) -> None:
        if rng.random() < 0.1:
            url = f"{self._system.api_url}/api/collections/{self._system.collection}/sync/"
            session.post(url, json={"confirm_removals": True}, timeout=TIMEOUT_SECONDS)

    def _picture(self, rng: random.Random) -> bytes:
        """What follows the end of a JPEG is not part of the picture."""
        return rng.choice(self._pictures) + rng.randbytes(SIZE)

    def _take(self, collection: str, rng: random.Random) -> str | None:
        """A file that is there, about which nothing is certain until its change is answered."""
        with self._lock:
            keys = [key for owner, key in self.present if owner == collection]
            if not keys:
                return None
            key = rng.choice(keys)
            del self.present[collection, key]
            return key

    def _record(self, kind: str, collection: str, key: str, digest: str | None) -> None:
        with self._lock:
            self.answered[kind] += 1
            if digest is None:
                self.absent.add((collection, key))
            else:
                self.present[collection, key] = digest


def _md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()  # S3's ETag
