"""``make bench SUITE=fairness``: what one account's sync of 2,000 pictures costs another; four minutes.

The other account puts one picture after the other into a bucket that sends its events, and waits until each is
searchable: first while nothing else happens, then while the first account syncs, in one run on one machine. The
catalogue is asked, directly: a record is saved after the vector store has the vector. Its searches and uploads are
measured in between.
"""

import argparse
import io
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from chalicelib.domain.files import FileState
from infra import seed
from infra.admin.deployment import Deployment
from infra.emulator import REGION, Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from infra.notifications import notify
from tests.bench.figures import figure, percentile

OBJECTS = 2_000  # that the busy account syncs
SAMPLES = 20  # of each figure
PAUSE_SECONDS = 0.2  # between two of them
TIMEOUT_SECONDS = 120
FOLDER = "photos"


@dataclass(frozen=True)
class Tenant:
    """An account with a collection on a bucket of its own, and a managed one."""

    account: str
    api: seed.Api
    bucket: str
    collection: str
    managed: str


class Bench:
    def __init__(self, emulator: Emulator, system: LocalSystem) -> None:
        self._session, self._endpoint, self._system = emulator.session(), emulator.endpoint, system
        self._deployment = Deployment(self._session, self._endpoint, system.outputs)
        self._s3 = self._deployment.client("s3")
        self._random = np.random.default_rng(1)

    def open_tenant(self, name: str) -> Tenant:
        services = self._deployment.services
        account = services.accounts.open(name, Subscription("business"))
        secret, _ = services.accounts.issue_token(account.uuid, NewToken("bench", Scope.ADMIN))
        api, bucket = seed.Api(self._system.api_url, secret), f"bench-{name}"
        self._s3.create_bucket(Bucket=bucket)
        source = {"bucket": bucket, "folder": f"/{FOLDER}", "region": REGION}
        role, options = f"similarix-bench-{name}", {"name": name}
        collection = seed.connect_bucket(self._session, self._endpoint, api, source, role, options)
        managed = api.call("POST", "/collections/", json={"type": "managed", "name": name})["collection"]["uuid"]
        return Tenant(account.uuid, api, bucket, collection, managed)

    def send_events(self, tenant: Tenant) -> None:
        notify(self._s3, tenant.bucket, f"{FOLDER}/", self._system.outputs["EventsQueueArn"])

    def fill(self, tenant: Tenant, count: int) -> None:
        for number in range(count):
            self._put(tenant, f"{FOLDER}/{number:05}.png")

    def measure(
        self, name: str, tenant: Tenant, is_over: Callable[[], bool] = lambda: False, times: int = SAMPLES
    ) -> dict[str, list[float]]:
        """Seconds of events, searches and uploads, in turns, until there are enough of each or it is over."""
        seconds: dict[str, list[float]] = {"event": [], "search": [], "upload": []}
        for number in range(times):
            if is_over():
                break
            seconds["event"].append(self._event(tenant, f"{FOLDER}/{name}-{number}.png"))
            seconds["search"].append(_seconds(lambda number=number: self._search(tenant, f"{name} {number}")))  # type: ignore[misc]
            seconds["upload"].append(_seconds(lambda number=number: self._upload(tenant, f"{name}-{number}.png")))  # type: ignore[misc]
            time.sleep(PAUSE_SECONDS)
        return seconds

    @contextmanager
    def sync(self, tenant: Tenant) -> Iterator[Callable[[], bool]]:
        """A sync of the tenant's collection; yields whether it is over, once it has begun to index."""
        over = threading.Event()
        path = f"/collections/{tenant.collection}"
        tenant.api.call("POST", f"{path}/sync/")
        began = time.monotonic()

        def wait() -> None:
            while tenant.api.call("GET", f"{path}/sync-status/")["status"] == "in_progress":
                time.sleep(1)
            over.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        while not tenant.api.call("GET", f"{path}/")["collection"]["stats"]["total_files"] and not over.is_set():
            time.sleep(0.2)
        yield over.is_set
        waiter.join()
        figure("sync_of_2000_s", time.monotonic() - began, "s")

    def _event(self, tenant: Tenant, key: str) -> float:
        """Seconds from an object that was put to a record that says it is indexed."""
        catalogue = self._deployment.services.adapters.catalogue
        self._put(tenant, key)
        began = time.monotonic()
        while time.monotonic() - began < TIMEOUT_SECONDS:
            record = catalogue.get(tenant.collection, key)
            if record is not None and record.state is FileState.INDEXED:
                return time.monotonic() - began
            time.sleep(0.02)
        raise RuntimeError(f"{key} was not indexed within {TIMEOUT_SECONDS} s.")

    def _search(self, tenant: Tenant, text: str) -> None:
        tenant.api.call("GET", "/search/", params={"query": text})

    def _upload(self, tenant: Tenant, name: str) -> None:
        tenant.api.call("POST", f"/collections/{tenant.managed}/upload/", files={"file": (name, self._picture())})

    def _put(self, tenant: Tenant, key: str) -> None:
        self._s3.put_object(Bucket=tenant.bucket, Key=key, Body=self._picture())

    def _picture(self) -> bytes:
        """A small picture that no other equals."""
        body = io.BytesIO()
        Image.fromarray(self._random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(body, "PNG")
        return body.getvalue()


def _seconds(act: Callable[[], Any]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fairness", description=__doc__)
    parser.add_argument("--objects", type=int, default=OBJECTS, help="that the busy account syncs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        bench = Bench(emulator, bring_up(emulator, lambda _: None))
        busy, other = bench.open_tenant("busy"), bench.open_tenant("other")
        bench.send_events(other)
        bench.fill(busy, options.objects)
        bench.measure("warm", other, times=5)
        found = {"quiet": bench.measure("quiet", other)}
        with bench.sync(busy) as is_over:
            found["busy"] = bench.measure("busy", other, is_over)
            figure("sync_was_over", float(is_over()), "0 or 1")
        for kind in ("event", "search", "upload"):
            for percent in (50, 95):
                quiet, loaded = (percentile(found[state][kind], percent) for state in ("quiet", "busy"))
                figure(f"{kind}_quiet_p{percent}_ms", 1000 * quiet, "ms")
                figure(f"{kind}_during_sync_p{percent}_ms", 1000 * loaded, "ms")
                figure(f"{kind}_ratio_p{percent}", loaded / quiet, "x")
        figure("samples_during_sync", len(found["busy"]["event"]), "events")


if __name__ == "__main__":
    main()
