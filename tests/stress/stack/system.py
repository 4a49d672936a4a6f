"""The deployed system under stress: changes to its bucket, calls of its API, and the wait until it is idle."""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote_plus

from infra import seed
from infra.admin.deployment import Deployment
from infra.admin.redrive import redrive
from infra.emulator import Emulator
from infra.local_system import LocalSystem

FOLDER = f"{seed.FOLDER}/stress/"
# How soon a killed worker's message is delivered again. The template's 12 to 18 minutes would be long for a test.
VISIBILITY_TIMEOUT_SECONDS = 20
TIMEOUT_SECONDS = 2_400  # a message that failed for the fourth time is delivered again after 15 minutes
QUEUES = ("Sync", "Index", "Changes", "Events")
# What the API answers where a sync cannot be started, or cancelled, just now.
CONFLICTS = ("with status 409",)
_MESSAGE_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

Value = TypeVar("Value")


class System:
    """``events_lost``: the bucket may have changed without an event of S3, so that only a sync can see it."""

    def __init__(self, emulator: Emulator, stack: LocalSystem, rng: random.Random) -> None:
        self.emulator, self.stack = emulator, stack
        self._rng = rng
        self.deployment = Deployment(emulator.session(), emulator.endpoint, stack.outputs)
        self._pictures = [path.read_bytes() for path in sorted(seed.SAMPLES.glob("*.jpg"))]
        self._bodies: dict[int, list[bytes]] = {}
        self._api = seed.Api(stack.api_url, stack.token)
        self._path = f"/collections/{stack.collection}"
        self._s3, self._sqs = self.deployment.client("s3"), self.deployment.client("sqs")
        self.events_lost = False
        self._schedule_day = datetime(2026, 1, 1, tzinfo=UTC)

    # Changes to the bucket.

    def put(self, number: int) -> None:
        """A picture with bytes of its own: what follows the end of a JPEG is not part of the picture."""
        self._write(number, self._rng.choice(self._pictures) + self._rng.randbytes(8))

    def put_back(self, number: int) -> None:
        """Bytes that this object had before, or a first picture."""
        bodies = self._bodies.get(number)
        self._write(number, self._rng.choice(bodies)) if bodies else self.put(number)

    def put_text(self, number: int) -> None:
        """Bytes that are no picture."""
        self._write(number, self._rng.choice((b"", b"these are words")))

    def copy(self, number: int) -> None:
        """The bytes of another object."""
        if self._bodies:
            self._write(number, self._rng.choice(self._bodies[self._rng.choice(list(self._bodies))]))

    def delete(self, number: int) -> None:
        self._s3.delete_object(Bucket=seed.BUCKET, Key=key(number))

    @contextmanager
    def without_events(self) -> Iterator[None]:
        """S3 sends no event of what is done inside."""
        configuration = self._s3.get_bucket_notification_configuration(Bucket=seed.BUCKET)
        configuration.pop("ResponseMetadata")
        self._s3.put_bucket_notification_configuration(Bucket=seed.BUCKET, NotificationConfiguration={})
        yield
        self._s3.put_bucket_notification_configuration(Bucket=seed.BUCKET, NotificationConfiguration=configuration)
        self.events_lost = True

    def send_old_event(self, number: int) -> None:
        """An event of long ago, delivered twice: it must change nothing."""
        entity = {"bucket": {"name": seed.BUCKET}, "object": {"key": quote_plus(key(number)), "sequencer": "00"}}
        body = json.dumps({"Records": [{"eventName": "ObjectRemoved:Delete", "s3": entity}]})
        for _ in range(2):
            self._sqs.send_message(QueueUrl=self.stack.outputs["EventsQueueUrl"], MessageBody=body)

    # Calls.

    def start_sync(self) -> None:
        """Starts a sync, unless one runs."""
        self._call_sync("POST", json={"confirm_removals": True})

    def cancel_sync(self) -> None:
        """Cancels the sync, if one runs."""
        self._call_sync("DELETE")

    def fire_schedule(self) -> None:
        """Invokes the daily sync as EventBridge does, at three o'clock of one day after another: a run starts once."""
        self._schedule_day += timedelta(days=1)
        event = {
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "000000000000",
            "time": f"{self._schedule_day:%Y-%m-%d}T03:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {},
        }
        self.deployment.client("lambda").invoke(
            FunctionName=self.stack.outputs["DailySyncName"], InvocationType="Event", Payload=json.dumps(event).encode()
        )

    def sync_status(self) -> dict[str, Any]:
        return self._api.call("GET", f"{self._path}/sync-status/")

    def restart(self) -> None:
        """Ends the emulator with every function, and starts it again."""
        self.emulator.stop()
        self.emulator.start()
        self.events_lost = True  # those that were on their way from S3 to the queue

    def shorten_visibility_timeouts(self) -> None:
        for name in QUEUES:
            self._sqs.set_queue_attributes(
                QueueUrl=self.stack.outputs[f"{name}QueueUrl"],
                Attributes={"VisibilityTimeout": str(VISIBILITY_TIMEOUT_SECONDS)},
            )

    def wait_until_idle(self) -> int:
        """Waits until the queues are empty and no sync runs, redriving dead letters; returns how many those were.

        Raises:
            TimeoutError: the system did not become idle.
        """
        redriven = 0
        while True:
            wait_for(self.is_idle, TIMEOUT_SECONDS)
            dead_letters = sum(self._message_count(f"{name}DeadLettersUrl") for name in QUEUES)
            if not dead_letters:
                return redriven
            redriven += dead_letters
            redrive(self.deployment, argparse.Namespace(queue=None, dry_run=False))

    def is_idle(self) -> bool:
        running = self.sync_status()["status"] == "in_progress"
        return not running and not any(self._message_count(f"{name}QueueUrl") for name in QUEUES)

    def _message_count(self, queue: str) -> int:
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self.stack.outputs[queue], AttributeNames=list(_MESSAGE_COUNTS)
        )["Attributes"]
        return sum(int(attributes[name]) for name in _MESSAGE_COUNTS)

    def _write(self, number: int, body: bytes) -> None:
        self._bodies.setdefault(number, []).append(body)
        self._s3.put_object(Bucket=seed.BUCKET, Key=key(number), Body=body)

    def _call_sync(self, method: str, **options: Any) -> None:
        try:
            self._api.call(method, f"{self._path}/sync/", **options)
        except RuntimeError as error:
            if not any(code in str(error) for code in CONFLICTS):
                raise


def key(number: int) -> str:
    """The key of an object: some have a space, a plus, a letter beyond ASCII or one beyond the basic plane."""
    return f"{FOLDER}{number:04}{('', ' a+b', ' é', chr(0x1F600))[number % 4]}.jpg"


def wait_for(probe: Callable[[], Value], seconds: float) -> Value:
    """Calls ``probe`` until its result is true, and returns that.

    Raises:
        TimeoutError: it was not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not (result := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"The condition did not hold within {seconds} s.")
        time.sleep(0.2)
    return result
