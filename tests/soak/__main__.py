"""Syncs of 500 objects on the deployed system, whose workers are killed: ``make soak-stack``.

Twenty times, at random moments, the process of a worker or of the embedder, busy or not, is ended by SIGKILL, and in
the middle the emulator itself is restarted, while syncs run, S3's events arrive, and objects are put, replaced and
deleted. In the end the bucket, the catalogue and the index must be equal, and the statistics exact. SEED chooses the
moments.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from chalicelib.adapters.embedded_vectors import EmbeddedVectorStore
from infra import seed
from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local import Stack, bring_up
from infra.loopback import free_port

OBJECTS, KILLS = 500, 20
VICTIMS = ("sync-worker", "index-worker", "events-worker", "embedder")
HIDDEN_SECONDS = 20  # that a message of a killed worker stays away; the template's 12 to 18 minutes are for real ones
PATIENCE_SECONDS = 600
QUEUES = ("SyncQueueUrl", "IndexQueueUrl", "EventsQueueUrl")


class Soak:
    def __init__(self, emulator: Emulator, stack: Stack, dice: random.Random) -> None:
        self._emulator, self._stack, self._dice = emulator, stack, dice
        self._session = emulator.session()
        self._pictures = [path.read_bytes() for path in sorted(seed.SAMPLES.glob("*.jpg"))]
        self._api = seed.Api(stack.api_url, stack.token)
        self._path = f"/collections/{stack.collection}"
        self.killed: list[str] = []

    def client(self, service: str) -> Any:
        return self._session.client(service, endpoint_url=self._emulator.endpoint)  # type: ignore[call-overload]

    def put(self, number: int) -> None:
        """A picture with bytes of its own: what follows the end of a JPEG is not part of the picture."""
        body = self._dice.choice(self._pictures) + self._dice.randbytes(8)
        self.client("s3").put_object(Bucket=seed.BUCKET, Key=f"{seed.FOLDER}/soak/{number:04}.jpg", Body=body)

    def delete(self, number: int) -> None:
        self.client("s3").delete_object(Bucket=seed.BUCKET, Key=f"{seed.FOLDER}/soak/{number:04}.jpg")

    def stir(self) -> None:
        """One object is put, replaced or deleted."""
        self._dice.choice((self.put, self.put, self.delete))(self._dice.randrange(OBJECTS))

    def begin(self) -> None:
        """Start a sync, unless one runs."""
        try:
            self._api.call("POST", f"{self._path}/sync/", json={"confirm_removals": True})
        except RuntimeError as refused:
            if "sync_in_progress" not in str(refused):
                raise

    def hide_briefly(self) -> None:
        for name in QUEUES:
            self.client("sqs").set_queue_attributes(
                QueueUrl=self._stack.outputs[name], Attributes={"VisibilityTimeout": str(HIDDEN_SECONDS)}
            )

    def kill_one(self) -> None:
        """End a worker that lives; waits for one where none does."""
        while True:
            pid, name = self._dice.choice(_until(lambda: list(_functions(self._emulator)), 60))
            with suppress(ProcessLookupError):  # it has ended by itself meanwhile
                os.kill(pid, signal.SIGKILL)
                self.killed.append(name)
                return

    def restart(self) -> None:
        self._emulator.stop()
        self._emulator.start()

    def rest(self) -> None:
        """Wait until nothing is in the queues and no sync runs, then have a last sync look at everything."""
        _until(self._is_quiet, PATIENCE_SECONDS)
        self.begin()
        _until(self._is_quiet, PATIENCE_SECONDS)

    def differences(self) -> list[str]:
        """Where the bucket, the catalogue, the index and the statistics do not agree."""
        services = Deployment(self._session, self._emulator.endpoint, self._stack.outputs).services
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=seed.BUCKET, Prefix=seed.FOLDER)
        listed = {o["Key"]: o["ETag"].strip('"') for page in pages for o in page.get("Contents", [])}
        (collection,) = [c for c in services.every_collection() if c.uuid == self._stack.collection]
        known = {k.key: k.etag for k in services.catalogue.walk(collection.uuid, None) if k.state == "indexed"}
        store = EmbeddedVectorStore(self._emulator.folder / "vectors.sqlite")
        found = [f"{key} differs" for key in listed.keys() | known.keys() if listed.get(key) != known.get(key)]
        if (count := store.count(collection.account, collection.uuid)) != len(listed):
            found.append(f"the index has {count} documents of {len(listed)} objects")
        found += [f"statistics: {r}" for r in services.recounting.recount([collection]) if not r.adds_up]
        return found

    def _is_quiet(self) -> bool:
        status = self._api.call("GET", f"{self._path}/sync-status/")["status"]
        return status != "in_progress" and not any(self._waiting(name) for name in QUEUES)

    def _waiting(self, name: str) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        asked = self.client("sqs").get_queue_attributes(QueueUrl=self._stack.outputs[name], AttributeNames=names)
        return sum(int(asked["Attributes"][each]) for each in names)


def _functions(emulator: Emulator) -> Iterator[tuple[int, str]]:
    """The processes of the functions that may be killed, all of them in the emulator's own group."""
    assert emulator._process is not None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
            command = (folder / "cmdline").read_text()
        except OSError:
            continue  # it has ended meanwhile
        name = next((each for each in VICTIMS if each in command), None)
        if group == emulator._process.pid and name and "_worker.py" in command:
            yield int(folder.name), name


def _until(look: Callable[[], Any], seconds: float) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not come about within {seconds} s.")
        time.sleep(0.2)
    return found


def main() -> int:
    number = int(os.environ.get("SEED", "1"))
    dice = random.Random(number)
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        soak = Soak(emulator, bring_up(emulator, print), dice)
        for each in range(OBJECTS):
            soak.put(each)
        soak.hide_briefly()
        began = time.monotonic()
        for kill in range(KILLS):
            soak.begin()
            time.sleep(dice.uniform(0.1, 2))
            soak.stir()
            soak.kill_one()
            if kill == KILLS // 2:
                print("restarting the emulator")
                soak.restart()
        soak.rest()
        found = soak.differences()
        counts = {name: soak.killed.count(name) for name in VICTIMS}
        print(f"seed {number}: killed {counts}, quiet after {time.monotonic() - began:.0f} s")
    print("\n".join(found) or "bucket, catalogue and index are equal, the statistics exact")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
