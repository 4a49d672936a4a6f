"""The messages between the workers: what each says, and how it is written on the wire."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

# Objects a message: one embedder call well inside its time, few enough to share work among workers.
INDEX_BATCH_SIZE = 16
# The attribute of a message that was moved back from the dead-letter queue.
REDRIVEN_ATTRIBUTE = "similarix-redriven"


class Queue(StrEnum):
    """The queues, by the names that the template and the environment derive theirs from."""

    SYNC = "sync"
    EVENTS = "events"
    INDEX = "index"
    UPLOADS = "uploads"
    DELETIONS = "deletions"


@dataclass(frozen=True, slots=True)
class ObjectHint:
    """News that something may have happened to an object.

    Args:
        sequencer: only where S3 itself told it.
        retry: look at the object even where it was looked at before and could not be read.
        etag, size: of the object as the news has it. They name what could not be read, and decide nothing.
    """

    key: str
    sequencer: str | None = None
    retry: bool = False
    etag: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class IndexBatch:
    """Objects of one collection that deserve a look.

    ``sync`` is the sync that waits for them, if one does, and ``batch_id`` the name under which it counts the batch.
    """

    account: str
    collection: str
    hints: tuple[ObjectHint, ...]
    sync: str | None = None
    batch_id: str | None = None

    def to_json(self) -> str:
        body: dict[str, Any] = {
            "account": self.account,
            "collection": self.collection,
            "hints": list(map(_written, self.hints)),
        }
        if self.sync is not None:
            body |= {"sync": self.sync, "batch_id": self.batch_id}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "IndexBatch":
        raw = json.loads(text)
        changes = tuple(map(_read, raw["hints"]))
        return cls(raw["account"], raw["collection"], changes, raw.get("sync"), raw.get("batch_id"))


@dataclass(frozen=True, slots=True)
class SyncStep:
    """One leg of a sync: take the key_range of this number on from where it stands."""

    account: str
    collection: str
    sync: str
    key_range: int = 0
    continuation: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "SyncStep":
        raw = json.loads(text)
        return cls(raw["account"], raw["collection"], raw["sync"], raw["key_range"], raw["continuation"])


@dataclass(frozen=True, slots=True)
class DeletionStep:
    """One leg of a collection's deletion; ``last`` is the look back once no other worker can be at it any more.

    ``early`` counts how often the message came before the collection was marked as deleted.
    """

    account: str
    collection: str
    last: bool = False
    early: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "DeletionStep":
        raw = json.loads(text)
        return cls(raw["account"], raw["collection"], raw["last"], raw["early"])


def hint_batches(changes: Sequence[ObjectHint]) -> Iterator[tuple[ObjectHint, ...]]:
    for start in range(0, len(changes), INDEX_BATCH_SIZE):
        yield tuple(changes[start : start + INDEX_BATCH_SIZE])


def _read(told: dict[str, Any]) -> ObjectHint:
    return ObjectHint(told["key"], told.get("sequencer"), told.get("retry", False), told.get("etag"), told.get("size"))


def _written(change: ObjectHint) -> dict[str, Any]:
    told: dict[str, Any] = {"key": change.key}
    if change.sequencer:
        told["sequencer"] = change.sequencer
    if change.retry:
        told["retry"] = True
    if change.etag is not None:
        told |= {"etag": change.etag, "size": change.size}
    return told


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as a worker has it: its identifier, its queue and handle there, and how often it was handed out."""

    id: str
    queue: str
    handle: str
    received: int
