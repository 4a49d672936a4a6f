"""The deployed system under a soak: what happens to its bucket, what it is asked for, and when it is at rest."""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from infra import seed
from infra.admin.deployment import Deployment
from infra.admin.redrive import redrive
from infra.emulator import Emulator
from infra.local_system import LocalSystem

FOLDER = f"{seed.FOLDER}/soak/"
HIDDEN_SECONDS = 20  # that a message of a killed worker stays away; the template's 12 to 18 minutes are for real ones
PATIENCE_SECONDS = 2_400  # a message that failed for the fourth time is handed out again after 15 minutes
QUEUES = ("Sync", "Index", "Events")
_LEFT = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
# What the API says where a sync cannot be begun, or ended, just now.
_NOT_NOW = ("sync_in_progress", "conflict")


class System:
    """``news_lost``: something was done to the bucket that S3 may not have told of, so only a sync can know."""

    def __init__(self, emulator: Emulator, stack: LocalSystem, dice: random.Random) -> None:
        self.emulator, self.stack = emulator, stack
        self._dice = dice
        self.session = emulator.session()
        self.deployment = Deployment(self.session, emulator.endpoint, stack.outputs)
        self._pictures = [path.read_bytes() for path in sorted(seed.SAMPLES.glob("*.jpg"))]
        self._bodies: dict[int, list[bytes]] = {}
        self._api = seed.Api(stack.api_url, stack.token)
        self._path = f"/collections/{stack.collection}"
        self._s3, self._sqs = self.deployment.client("s3"), self.deployment.client("sqs")
        self.news_lost = False

    # What happens to the bucket.

    def put(self, number: int) -> None:
        """A picture with bytes of its own: what follows the end of a JPEG is not part of the picture."""
        self._write(number, self._dice.choice(self._pictures) + self._dice.randbytes(8))

    def put_back(self, number: int) -> None:
        """What this object was once before, or a first picture."""
        bodies = self._bodies.get(number)
        self._write(number, self._dice.choice(bodies)) if bodies else self.put(number)

    def put_words(self, number: int) -> None:
        """What is no picture."""
        self._write(number, self._dice.choice((b"", b"these are words")))

    def copy(self, number: int) -> None:
        """The bytes of another object."""
        if self._bodies:
            self._write(number, self._dice.choice(self._bodies[self._dice.choice(list(self._bodies))]))

    def delete(self, number: int) -> None:
        self._s3.delete_object(Bucket=seed.BUCKET, Key=key(number))

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """S3 tells nobody of what is done inside."""
        told = self._s3.get_bucket_notification_configuration(Bucket=seed.BUCKET)
        told.pop("ResponseMetadata")
        self._s3.put_bucket_notification_configuration(Bucket=seed.BUCKET, NotificationConfiguration={})
        yield
        self._s3.put_bucket_notification_configuration(Bucket=seed.BUCKET, NotificationConfiguration=told)
        self.news_lost = True

    def repeat_news(self, number: int) -> None:
        """An event of long ago, that comes again, or for the first time."""
        entity = {"bucket": {"name": seed.BUCKET}, "object": {"key": quote_plus(key(number)), "sequencer": "00"}}
        body = json.dumps({"Records": [{"eventName": "ObjectRemoved:Delete", "s3": entity}]})
        for _ in range(2):
            self._sqs.send_message(QueueUrl=self.stack.outputs["EventsQueueUrl"], MessageBody=body)

    # What the system is asked for.

    def sync(self, **wish: bool) -> None:
        """Begin a sync, unless one runs."""
        self._ask("POST", json={"confirm_removals": True, **wish})

    def cancel(self) -> None:
        self._ask("DELETE")

    def schedule(self) -> None:
        """The daily schedule fires."""
        event = {
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "region": "us-east-1",
            "resources": [],
            "detail": {},
        }
        self.deployment.client("lambda").invoke(
            FunctionName=self.stack.outputs["DailySyncName"], InvocationType="Event", Payload=json.dumps(event).encode()
        )

    def status(self) -> dict[str, Any]:
        return self._api.call("GET", f"{self._path}/sync-status/")

    def restart(self) -> None:
        """The emulator and every function end and begin anew."""
        self.emulator.stop()
        self.emulator.start()
        self.news_lost = True  # what was under way from S3 to the queue

    def hide_briefly(self) -> None:
        for name in QUEUES:
            self._sqs.set_queue_attributes(
                QueueUrl=self.stack.outputs[f"{name}QueueUrl"], Attributes={"VisibilityTimeout": str(HIDDEN_SECONDS)}
            )

    # Rest.

    def rest(self) -> int:
        """Wait until nothing is in the queues and no sync runs; answers how many dead letters it sent back meanwhile.

        Raises:
            TimeoutError: there is no end to it.
        """
        revived = 0
        while True:
            until(self._is_quiet, PATIENCE_SECONDS)
            dead = sum(self._left(f"{name}DeadLettersUrl") for name in QUEUES)
            if not dead:
                return revived
            revived += dead
            redrive(self.deployment, argparse.Namespace(queue=None, dry_run=False))

    def _is_quiet(self) -> bool:
        return self.status()["status"] != "in_progress" and not any(self._left(f"{name}QueueUrl") for name in QUEUES)

    def _left(self, queue: str) -> int:
        asked = self._sqs.get_queue_attributes(QueueUrl=self.stack.outputs[queue], AttributeNames=list(_LEFT))
        return sum(int(asked["Attributes"][each]) for each in _LEFT)

    def _write(self, number: int, body: bytes) -> None:
        self._bodies.setdefault(number, []).append(body)
        self._s3.put_object(Bucket=seed.BUCKET, Key=key(number), Body=body)

    def _ask(self, method: str, **options: Any) -> None:
        try:
            self._api.call(method, f"{self._path}/sync/", **options)
        except RuntimeError as refused:
            if not any(word in str(refused) for word in _NOT_NOW):
                raise


def key(number: int) -> str:
    """Of an object of the soak: keys of all sorts."""
    return f"{FOLDER}{number:04}{('', ' a+b', ' é', chr(0x1F600))[number % 4]}.jpg"


def until(look: Callable[[], Any], seconds: float) -> Any:
    """What ``look`` answers as soon as it is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"It did not come about within {seconds} s.")
        time.sleep(0.2)
    return found
