"""What a sync of 1,000 objects asks of S3, DynamoDB and SQS: a first one, one with nothing changed, one with 1 %.

The application's own services and workers run here with their real adapters: buckets, roles, queues and the embedder
are the deployed stack's on the emulator, the tables of the template stand in Amazon's DynamoDB Local, which says what
each call consumes. Messages are handed out as Lambda does, as many at once as ``app.py`` says.
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
from chalicelib.bootstrap import Services
from chalicelib.domain.accounts import Subscription
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from infra import seed
from infra.admin.deployment import Deployment
from infra.local_system import bring_up
from infra.localhost import free_port
from tests.bench.figures import figure
from tests.bench.sync.meters import LoudEmulator, Meters
from tests.bench.sync.prices import REQUESTS, dollars
from tests.dynamodb_local.server import another, dynamodb_local

OBJECTS, CHANGED = 1_000, 10
FOLDER = f"{seed.FOLDER}/costs/"  # inside what the customer's role may read
SIZE = 256  # pixels
TABLES = ("AccountsTable", "CollectionsTable", "CatalogueTable", "SyncsTable")
COUNTED = ("s3_list", "s3_head", "s3_get", "s3_put", "s3_delete", "dynamodb_requests", "dynamodb_reads",
           "dynamodb_writes", "sqs_requests", "sqs_messages")  # fmt: skip

UNITS = ("units", "requests", "messages")


def main() -> None:
    workers.logger.setLevel("CRITICAL")  # a line for every message
    with (
        tempfile.TemporaryDirectory() as folder,
        LoudEmulator(Path(folder) / "emulator", free_port()) as emulator,
        dynamodb_local(Path(folder)) as dynamodb,
    ):
        stack = bring_up(emulator, lambda _: None)
        deployment = Deployment(emulator.session(), emulator.endpoint, stack.outputs)
        (model,) = [c for c in deployment.services.every_collection() if c.uuid == stack.collection]
        Bench(deployment, Meters(emulator.log, dynamodb), another(dynamodb)).run(model)


class Bench:
    def __init__(self, deployment: Deployment, meters: Meters, dynamodb: Any) -> None:
        self._meters = meters
        self._s3, self._sqs = deployment.client("s3"), deployment.client("sqs")
        tables = {f"{table.removesuffix('Table').lower()}_table": meters.table(table) for table in TABLES}
        counted = meters.read(dynamodb)
        # Queues of its own: the deployed functions listen to the stack's.
        self._queues = {
            name: self._sqs.create_queue(QueueName=f"bench-{name}")["QueueUrl"] for name in ("sync", "index")
        }
        urls = {f"{name}_queue_url": url for name, url in self._queues.items()}

        def client(service: str, **options: Any) -> Any:
            if service == "dynamodb":
                return counted
            made = deployment.client(service, **options)
            return meters.watch(made) if service == "sqs" else made

        self._services = Services(replace(deployment.services.config, **tables, **urls), client)
        self._account = self._services.accounts.open("bench", Subscription("business")).uuid

    def run(self, model: Collection) -> None:
        """Count syncs of a collection like this one, on the same bucket."""
        # The functions of the deployed stack are to know nothing of what is put there.
        self._s3.put_bucket_notification_configuration(Bucket=model.bucket, NotificationConfiguration={})
        collection, empty = (self._collection(model, prefix) for prefix in (FOLDER, f"{seed.FOLDER}/nothing/"))
        bodies = pictures()
        for number in range(OBJECTS):
            self._put(collection, number, next(bodies))
        self._sync(empty)  # what a process asks once, for a session or the model's name, counts for nobody
        counts = {"first": self._sync(collection), "unchanged": self._sync(collection)}
        for number in range(CHANGED):
            self._put(collection, number * (OBJECTS // CHANGED), next(bodies))
        counts["changed"] = self._sync(collection)
        tell(counts, self._sync(empty))

    def _collection(self, model: Collection, prefix: str) -> Collection:
        made = replace(
            model,
            uuid=str(uuid4()),
            account=self._account,
            prefix=prefix,
            name=prefix,
            sync=SyncState(),
            total_files=0,
            total_size=0,
        )
        self._services.adapters.collections.add(made)
        return made

    def _put(self, collection: Collection, number: int, body: bytes) -> None:
        self._s3.put_object(Bucket=collection.bucket, Key=f"{collection.prefix}{number:04}.jpg", Body=body)

    def _sync(self, collection: Collection) -> Counter[str]:
        """What one sync, from the call that begins it to its end, asks for."""
        handlers = {"sync": (workers.sync, 1), "index": (workers.index, 4)}
        with self._meters.counting() as counts:
            self._services.sync.start(collection, Trigger.MANUAL)
            while any(self._hand_out(name, *handlers[name]) for name in handlers):
                pass
        ended = self._services.collections.get(collection.account, collection.uuid)
        assert ended.sync.status is SyncStatus.COMPLETED, ended.sync
        assert ended.total_files == (OBJECTS if collection.prefix == FOLDER else 0), ended.total_files
        return counts.copy()

    def _hand_out(self, name: str, work: Callable[..., Any], at_once: int) -> bool:
        """Answers whether there was anything."""
        url = self._queues[name]
        found = self._sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=at_once, MessageSystemAttributeNames=["All"]
        ).get("Messages", [])
        if not found:
            return False
        with redirect_stdout(io.StringIO()):  # metrics, a line each
            failed = work({"Records": [_record(message, url) for message in found]}, Context(), self._services)
        assert not failed["batchItemFailures"], failed
        entries: Any = [{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in found]
        self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)
        self._meters.handed_out()
        return True


class Context:
    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


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
    """Small JPEGs, each another one: the samples, moved by a few pixels."""
    photos = [Image.open(path).convert("RGB") for path in sorted(seed.SAMPLES.glob("*.jpg"))]
    for photo in photos:
        photo.thumbnail((SIZE, SIZE))
    for shift in range(SIZE // 4):
        for photo in photos:
            body = io.BytesIO()
            photo.crop((shift, 0, photo.width, photo.height)).save(body, "JPEG", quality=80)
            yield body.getvalue()


def tell(counts: Mapping[str, Counter[str]], empty: Counter[str]) -> None:
    """Figures, and a table with dollars. ``empty`` is what a sync of a collection without objects takes."""
    for name, found in counts.items():
        for what in COUNTED:
            unit = "units" if what in ("dynamodb_reads", "dynamodb_writes") else what.rpartition("_")[2]
            figure(f"sync_{name}_{what}_per_1000", found[what], unit if unit in UNITS else "requests")
        figure(f"sync_{name}_dollars_per_1000", dollars(found), "USD")
    written = counts["unchanged"]["dynamodb_writes"] - empty["dynamodb_writes"]
    figure("sync_unchanged_writes_per_object", written / OBJECTS, "units")
    print("| for 1,000 objects | " + " | ".join(COUNTED) + " | dollars |")
    print("| --- " * (len(COUNTED) + 2) + "|")
    for name, found in {**counts, "no objects at all": empty}.items():
        print(f"| {name} | " + " | ".join(f"{found[what]:,.0f}" for what in COUNTED) + f" | {dollars(found):.5f} |")
    print("| dollars a million | " + " | ".join(f"{REQUESTS.get(w, 0) * 1e6:g}" for w in COUNTED) + " | |")
