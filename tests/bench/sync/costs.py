"""The requests of a sync of 1,000 objects to S3, DynamoDB and SQS: a first one, an unchanged one, one with 1 % changed.

The application's own services and workers run here with their real adapters. Buckets, roles, queues and the embedder
are the deployed stack's on the emulator. The template's tables are in Amazon's DynamoDB Local, which reports the
capacity of each call. Messages are delivered as Lambda does, as many at once as ``app.py`` sets.
"""

import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import Image

from chalicelib import workers
from chalicelib.adapters.factory import AWSAdapters
from chalicelib.bootstrap import Services
from chalicelib.config import Tables
from chalicelib.domain.accounts import Subscription
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.messages import Queue
from infra import seed
from infra.admin.deployment import Deployment
from infra.local_system import bring_up
from infra.localhost import free_port
from tests.bench.figures import figure
from tests.bench.sync.prices import REQUEST_PRICES, dollars
from tests.bench.sync.request_meter import LoggingEmulator, RequestMeter
from tests.dynamodb_local.server import dynamodb_local, second_client

OBJECTS, CHANGED_OBJECTS = 1_000, 10
COUNTED_FOLDER = f"{seed.FOLDER}/costs/"  # inside what the customer's role may read
EMPTY_FOLDER = f"{seed.FOLDER}/nothing/"
PICTURE_PIXELS = 256  # on each side, at most
REMAINING_MILLISECONDS = 120_000  # of a worker's time
COUNT_NAMES = ("s3_list", "s3_head", "s3_get", "s3_put", "s3_delete", "dynamodb_requests", "dynamodb_reads",
               "dynamodb_writes", "sqs_requests", "sqs_messages")  # fmt: skip
UNITS = ("units", "requests", "messages")
WORKERS = {Queue.SYNC: (workers.sync, 1), Queue.INDEX: (workers.index, 1)}  # each with its messages a call


def main() -> None:
    workers.logger.setLevel("CRITICAL")  # or it logs a line for every message
    with (
        tempfile.TemporaryDirectory() as folder,
        LoggingEmulator(Path(folder) / "emulator", free_port()) as emulator,
        dynamodb_local(Path(folder)) as dynamodb,
    ):
        stack = bring_up(emulator, lambda _: None)
        deployment = Deployment(emulator.session(), emulator.endpoint, stack.outputs)
        (sample,) = [c for c in deployment.services.every_collection() if c.uuid == stack.collection]
        Bench(deployment, RequestMeter(emulator.log, dynamodb), second_client(dynamodb)).run(sample)


class Bench:
    """Runs syncs of the deployment's services on tables and queues of its own, and counts their requests."""

    def __init__(self, deployment: Deployment, meter: RequestMeter, dynamodb: Any) -> None:
        self._meter = meter
        self._s3, self._sqs = deployment.client("s3"), deployment.client("sqs")
        tables = Tables(
            accounts=meter.make_table("AccountsTable"),
            collections=meter.make_table("CollectionsTable"),
            catalogue=meter.make_table("CatalogueTable"),
            syncs=meter.make_table("SyncsTable"),
        )
        meter.count_dynamodb(dynamodb)
        # Queues of its own, because the deployed functions read those of the stack.
        self._queues = {queue: self._sqs.create_queue(QueueName=f"bench-{queue}")["QueueUrl"] for queue in WORKERS}

        def client(service: str, **options: Any) -> Any:
            if service == "dynamodb":
                return dynamodb
            client = deployment.client(service, **options)
            return meter.count_sqs(client) if service == "sqs" else client

        config = deployment.services.config
        config = replace(config, tables=tables, queues={**config.queues, **self._queues})
        self._services = Services(config, AWSAdapters(config, client))
        self._account = self._services.accounts.open("bench", Subscription("business")).uuid

    def run(self, sample: Collection) -> None:
        """Count the syncs of collections like the given one, on the same bucket."""
        # The functions of the deployed stack must not receive events of the bench's objects.
        self._s3.put_bucket_notification_configuration(Bucket=sample.bucket, NotificationConfiguration={})
        collection, empty = (self._collection(sample, prefix) for prefix in (COUNTED_FOLDER, EMPTY_FOLDER))
        bodies = pictures()
        for number in range(OBJECTS):
            self._put(collection, number, next(bodies))
        self._sync(empty)  # not counted: what a process requests once, such as a session or the model version
        counts = {"first": self._sync(collection), "unchanged": self._sync(collection)}
        for number in range(CHANGED_OBJECTS):
            self._put(collection, number * (OBJECTS // CHANGED_OBJECTS), next(bodies))
        counts["changed"] = self._sync(collection)
        print_figures(counts, self._sync(empty))

    def _collection(self, sample: Collection, prefix: str) -> Collection:
        collection = replace(
            sample,
            uuid=str(uuid4()),
            account=self._account,
            prefix=prefix,
            name=prefix,
            sync=SyncState(),
            total_files=0,
            total_size=0,
        )
        self._services.adapters.registry.add(collection, limit=2)
        return collection

    def _put(self, collection: Collection, number: int, body: bytes) -> None:
        self._s3.put_object(Bucket=collection.bucket, Key=f"{collection.prefix}{number:04}.jpg", Body=body)

    def _sync(self, collection: Collection) -> Counter[str]:
        """Run one sync to its end; returns the counts of its requests."""
        with self._meter.counting() as counts:
            self._services.syncs.start(collection, Trigger.MANUAL)
            while any(self._deliver(queue, *worker) for queue, worker in WORKERS.items()):
                pass
        synced = self._services.collections.get(collection.account, collection.uuid)
        assert synced.sync.status is SyncStatus.COMPLETED, synced.sync
        assert synced.total_files == (OBJECTS if collection.prefix == COUNTED_FOLDER else 0), synced.total_files
        return counts.copy()

    def _deliver(self, queue: Queue, worker: Callable[..., Any], batch_size: int) -> bool:
        """Deliver waiting messages to the worker; False if there were none."""
        url = self._queues[queue]
        messages = self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=batch_size, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])
        if not messages:
            return False
        with redirect_stdout(io.StringIO()):  # metrics, a line each
            response = worker({"Records": [_record(message, url) for message in messages]}, Context(), self._services)
        assert not response["batchItemFailures"], response
        entries: Any = [{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages]
        self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        self._meter.count_delivery()
        return True


class Context:
    """The context that Lambda passes to a function."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return REMAINING_MILLISECONDS


def _record(message: Mapping[str, Any], url: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{url.rpartition('/')[2]}",
    }


def pictures() -> Iterator[bytes]:
    """Return small JPEGs that all differ: the samples, shifted by a few pixels."""
    photos = [Image.open(path).convert("RGB") for path in sorted(seed.SAMPLES.glob("*.jpg"))]
    for photo in photos:
        photo.thumbnail((PICTURE_PIXELS, PICTURE_PIXELS))
    for shift in range(PICTURE_PIXELS // 4):
        for photo in photos:
            body = io.BytesIO()
            photo.crop((shift, 0, photo.width, photo.height)).save(body, "JPEG", quality=80)
            yield body.getvalue()


def print_figures(counts_by_sync: Mapping[str, Counter[str]], empty: Counter[str]) -> None:
    """Print figures, and a table with dollars. ``empty`` are the counts of a sync without objects."""
    for sync, counts in counts_by_sync.items():
        for name in COUNT_NAMES:
            unit = "units" if name in ("dynamodb_reads", "dynamodb_writes") else name.rpartition("_")[2]
            figure(f"sync_{sync}_{name}_per_1000", counts[name], unit if unit in UNITS else "requests")
        figure(f"sync_{sync}_dollars_per_1000", dollars(counts), "USD")
    object_writes = counts_by_sync["unchanged"]["dynamodb_writes"] - empty["dynamodb_writes"]
    figure("sync_unchanged_writes_per_object", object_writes / OBJECTS, "units")
    print("| for 1,000 objects | " + " | ".join(COUNT_NAMES) + " | dollars |")
    print("| --- " * (len(COUNT_NAMES) + 2) + "|")
    for sync, counts in {**counts_by_sync, "no objects at all": empty}.items():
        cells = " | ".join(f"{counts[name]:,.0f}" for name in COUNT_NAMES)
        print(f"| {sync} | {cells} | {dollars(counts):.5f} |")
    prices = " | ".join(f"{REQUEST_PRICES.get(name, 0) * 1e6:g}" for name in COUNT_NAMES)
    print(f"| dollars a million | {prices} | |")
