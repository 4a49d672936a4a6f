"""The messages between the workers, and S3's own: what each says, and how it is written on the wire."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_plus

BATCH_SIZE = 16  # objects a message: one embedder call well inside its time, few enough to share work among workers


@dataclass(frozen=True, slots=True)
class Change:
    """News that something may have happened to an object; ``sequencer`` only where S3 itself told it."""

    key: str
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class IndexBatch:
    """Objects of one collection that deserve a look; ``sync`` is the sync that waits for them, if one does."""

    account: str
    collection: str
    changes: tuple[Change, ...]
    sync: str | None = None

    @property
    def id(self) -> str:
        """The same for the same objects, so a batch that is sent twice counts once."""
        return sha256("\n".join(json.dumps(change.key) for change in self.changes).encode()).hexdigest()[:32]

    def to_json(self) -> str:
        changes = [{"key": c.key, **({"sequencer": c.sequencer} if c.sequencer else {})} for c in self.changes]
        return json.dumps(
            {"account": self.account, "collection": self.collection, "sync": self.sync, "changes": changes},
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> "IndexBatch":
        raw = json.loads(text)
        changes = tuple(Change(c["key"], c.get("sequencer")) for c in raw["changes"])
        return cls(raw["account"], raw["collection"], changes, raw.get("sync"))


@dataclass(frozen=True, slots=True)
class SyncStep:
    """One leg of a sync: walk the collection from the key ``after`` on."""

    account: str
    collection: str
    sync: str
    after: str | None = None

    def to_json(self) -> str:
        return json.dumps(
            {"account": self.account, "collection": self.collection, "sync": self.sync, "after": self.after},
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> "SyncStep":
        raw = json.loads(text)
        return cls(raw["account"], raw["collection"], raw["sync"], raw.get("after"))


@dataclass(frozen=True, slots=True)
class BucketChange:
    """An object of a bucket that S3 says was created or removed."""

    bucket: str
    change: Change


def s3_notification(text: str) -> Iterator[BucketChange]:
    """The changes in the body of one S3 event message; S3's test message, sent when one is set up, has none.

    Raises:
        ValueError: the body is not an S3 notification.
    """
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError("the message is not JSON") from error
    if isinstance(body, dict) and body.get("Event") == "s3:TestEvent":
        return
    if not isinstance(body, dict) or not isinstance(body.get("Records"), list):
        raise ValueError("the message is not an S3 notification")
    for record in body["Records"]:
        yield _bucket_change(record)


def batches(changes: Sequence[Change]) -> Iterator[tuple[Change, ...]]:
    for start in range(0, len(changes), BATCH_SIZE):
        yield tuple(changes[start : start + BATCH_SIZE])


def _bucket_change(record: dict[str, Any]) -> BucketChange:
    try:
        entity = record["s3"]
        # Keys come form-encoded: a space as '+', everything else in percent escapes.
        return BucketChange(
            entity["bucket"]["name"],
            Change(unquote_plus(entity["object"]["key"]), entity["object"].get("sequencer")),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("the message is not an S3 notification") from error
