"""``make bench SUITE=load``: the local system under searches, uploads and syncs at once; ten minutes.

Synthetic vectors are written to the catalogue and the vector store by the application's own services, without
pictures: a search costs the same, and nobody waits for 20,000 to be embedded. Callers are threads of this process,
on the same machine as the system, and each sends its next request when it has the response to the last one. Processor
time does not depend on what else the machine does, unlike rates.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

from chalicelib.domain.embeddings import ImageEmbedding
from chalicelib.domain.files import FileRecord, FileState, PendingWrite, first_version
from chalicelib.domain.plans import RATE_NAMES
from chalicelib.domain.vectors import VectorDocument, vector_document
from infra import seed
from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up, tidy
from infra.localhost import free_port
from infra.package import STAGE
from tests.bench.figures import figure
from tests.bench.load.callers import (
    Measurements,
    measure_first_burst,
    measure_searches,
    syncs,
    uploads,
)
from tests.bench.load.footprint import print_files, print_memory, processor_seconds

SIZES = (64, 2_000, 20_000)
CALLERS = (1, 8, 32)
SECONDS, WARM_SECONDS = 15.0, 4.0  # of each measurement, and before it
DIMENSION = 512
BATCH = 50  # of records, and of vectors, that are written at once
BURST = 16  # callers of a system that has just started
UPLOADS_A_SECOND = 2.0
UPLOAD_SECONDS = 60.0
COMPARED, CALLERS_COMPARED, ROUNDS = (64, 2_000), 8, 5  # sizes that are measured in turns


class SyntheticVectors:
    """Vectors of no picture, in a collection of the demo account; their number is set before each measurement."""

    def __init__(self, deployment: Deployment, system: LocalSystem) -> None:
        self._services = deployment.services
        api = seed.Api(system.api_url, system.token)
        created = api.call("POST", "/collections/", json={"type": "managed", "name": "Synthetic"})
        self._uuid = str(created["collection"]["uuid"])
        self._collection = next(c for c in self._services.every_collection() if c.uuid == self._uuid)
        self._model = self._services.model_version()
        self._documents: list[VectorDocument] = []
        self._stored = 0

    def resize(self, count: int) -> None:
        """Have exactly so many in the vector store; the catalogue keeps the most that there were."""
        if count > len(self._documents):
            self._record(count - len(self._documents))
        if count < self._stored:
            self._services.adapters.vectors.remove_collection(self._collection.account, self._uuid)
            self._stored = 0
        self._documents = [replace(document, version=document.version + 1) for document in self._documents]
        for first in range(self._stored, count, BATCH):
            self._services.adapters.vectors.upsert(self._documents[first : min(first + BATCH, count)])
        self._stored = count

    def _record(self, count: int) -> None:
        random = np.random.default_rng(len(self._documents))
        values = random.standard_normal((count, DIMENSION))
        vectors = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype("<f4")
        records = [self._file(len(self._documents) + place, vector.tobytes()) for place, vector in enumerate(vectors)]
        for first in range(0, count, BATCH):
            writes = [PendingWrite(record, None) for record in records[first : first + BATCH]]
            if self._services.adapters.catalogue.save_all(writes):
                raise RuntimeError("Another writer changed the synthetic records.")
        for record in records:
            assert record.embedding is not None
            self._documents.append(vector_document(record, record.embedding, self._collection))

    def _file(self, number: int, vector: bytes) -> FileRecord:
        now = datetime.now(UTC)
        md5 = hashlib.md5(vector, usedforsecurity=False).hexdigest()
        embedding = ImageEmbedding(self._model, vector, 100_000, md5, 640, 480, "jpeg")
        return FileRecord(
            account=self._collection.account,
            collection=self._uuid,
            key=f"{self._collection.prefix}{number:06}.jpg",
            state=FileState.INDEXED,
            etag=md5,
            size=100_000,
            version=first_version(now),
            updated_at=now,
            embedding=embedding,
            model=self._model,
        )


class Bench:
    def __init__(self, emulator: Emulator, system: LocalSystem, seconds: float) -> None:
        self._emulator, self._system, self._seconds = emulator, system, seconds
        deployment = Deployment(emulator.session(), emulator.endpoint, system.outputs)
        self._vectors = SyntheticVectors(deployment, system)
        self._s3 = deployment.client("s3")
        files = sorted(seed.SAMPLES.glob("*.jpg"))
        self._samples = {f"{seed.FOLDER}/{file.name}": file.read_bytes() for file in files}
        self._pictures = list(self._samples.values())
        _lift_rate_limits(deployment, system)

    def compare_sizes(self) -> None:
        """The rate of the same callers at two sizes, in turns, so that whatever else the machine does meets both."""
        rates: dict[int, list[float]] = {size: [] for size in COMPARED}
        processor: dict[int, list[float]] = {size: [] for size in COMPARED}
        for _ in range(ROUNDS):
            for size in COMPARED:
                self._resize(size)
                measure_searches(self._system, CALLERS_COMPARED, 0, WARM_SECONDS)
                used = processor_seconds(self._pid)
                measured = measure_searches(self._system, CALLERS_COMPARED, self._seconds, 0)
                rates[size].append(len(measured.seconds) / self._seconds)
                processor[size].append((processor_seconds(self._pid) - used) / len(measured.seconds))
        for size, found in rates.items():
            figure(f"compared_{size}_{CALLERS_COMPARED}_rps", median(found), "1/s")
            figure(f"compared_{size}_{CALLERS_COMPARED}_processor_ms", 1000 * median(processor[size]), "ms")
        few, many = COMPARED
        ratios = [later / earlier for earlier, later in zip(rates[few], rates[many], strict=True)]
        figure(f"ratio_{many}_to_{few}", median(ratios), "x")
        figure(f"ratio_{many}_to_{few}_processor", median(processor[few]) / median(processor[many]), "x")

    def measure_quiet(self, sizes: Sequence[int], callers: Sequence[int]) -> None:
        for size in sizes:
            began = time.monotonic()
            self._resize(size)
            figure(f"filled_{size}_s", time.monotonic() - began, "s")
            for count in callers:
                measure_searches(self._system, count, self._seconds, WARM_SECONDS).print(f"search_{size}_{count}")
        print_memory("quiet", self._pid)

    def measure_busy(self, sizes: Sequence[int], callers: Sequence[int]) -> None:
        """The same with uploads and syncs beside."""
        for size in sizes:
            self._resize(size)
            for count in callers:
                name = f"busy_{size}_{count}"
                with self._syncs() as completed, self._uploads() as uploaded:
                    searches = measure_searches(self._system, count, self._seconds, WARM_SECONDS)
                searches.print(name)
                self._print_uploads(name, uploaded)
                figure(f"{name}_syncs", len(completed), "syncs")
        print_memory("busy", self._pid)

    def measure_uploads(self, callers: int) -> None:
        """Uploads beside searching callers and nothing else, for a minute."""
        self._resize(SIZES[0])
        name = f"uploads_{callers}"
        with self._uploads() as uploaded:
            measure_searches(self._system, callers, UPLOAD_SECONDS - WARM_SECONDS, WARM_SECONDS).print(name)
        self._print_uploads(name, uploaded)

    def _resize(self, size: int) -> None:
        self._vectors.resize(max(0, size - len(self._samples)))

    def _uploads(self) -> AbstractContextManager[Measurements]:
        return uploads(self._system, self._pictures, UPLOADS_A_SECOND)

    def _syncs(self) -> AbstractContextManager[list[float]]:
        return syncs(self._system, self._s3, self._samples)

    @property
    def _pid(self) -> int:
        assert self._emulator.pid is not None
        return self._emulator.pid

    @staticmethod
    def _print_uploads(name: str, uploaded: Measurements) -> None:
        figure(f"{name}_uploads_in_60_s", 60 * len(uploaded.seconds) / (uploaded.ended - uploaded.began), "uploads")
        uploaded.print_times(f"{name}_upload")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement (default: %(default)s)")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of vectors")
    parser.add_argument("--callers", type=int, nargs="*", default=CALLERS, help="numbers of callers")
    parser.add_argument("--skip", nargs="*", default=(), choices=["compare", "quiet", "busy", "uploads"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with ExitStack() as running:
            emulator = running.enter_context(Emulator(Path(folder), free_port()))
            system = bring_up(emulator, lambda _: None)
            measure_first_burst(system, BURST).print_times(f"first_burst_{BURST}")
            bench = Bench(emulator, system, options.seconds)
            if "compare" not in options.skip:
                bench.compare_sizes()
            if "quiet" not in options.skip:
                bench.measure_quiet(options.sizes, options.callers)
            if "busy" not in options.skip:
                bench.measure_busy(options.sizes, options.callers)
            if "uploads" not in options.skip:
                bench.measure_uploads(max(options.callers))
            print_files("running", Path(folder))
        tidy(Path(folder))
        print_files("stopped", Path(folder))


def _lift_rate_limits(deployment: Deployment, system: LocalSystem) -> None:
    """The limits of all requests and of a token's protect a bill; here they would be what is measured."""
    for account in deployment.services.accounts.all():
        rates = dict.fromkeys(RATE_NAMES, 1_000_000)
        deployment.services.accounts.set_subscription(account.uuid, replace(account.subscription, limits=rates))
    limits = {"rateLimit": "10000", "burstLimit": "5000"}
    patches = [{"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in limits.items()]
    gateway = deployment.client("apigateway")
    gateway.update_stage(restApiId=system.outputs["RestAPIId"], stageName=STAGE, patchOperations=patches)


if __name__ == "__main__":
    main()
