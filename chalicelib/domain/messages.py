"""The messages between the workers, and their form on the wire."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.errors import ContinuationLimit
from chalicelib.domain.sequencers import latest_sequencer

# Objects a message: one embedder call well inside its time, few enough to share work among workers.
INDEX_BATCH_SIZE = 16
# Invocations that may continue one piece of work, each by a message to its own queue: the guard in place of Lambda's,
# which ends such a chain after about 16 (``feeds_itself`` in infra/workers.py). An invocation lists some 100,000
# objects or deletes some 50,000 records in its two minutes (tests/stress/continuations): enough for 250 million.
MAX_CONTINUATIONS = 5_000
# The attribute of a message that was moved back from the dead-letter queue.
REDRIVEN_ATTRIBUTE = "similarix-redriven"


class Queue(StrEnum):
    """The queues, by the names from which the template and the environment derive theirs.

    Both ``INDEX`` and ``CHANGES`` have batches: INDEX those of syncs, which may be thousands, and CHANGES those of S3's
    events and of requests, which wait for none of them. ``UPLOADS`` has whatever changes managed files.
    """

    SYNC = "sync"
    EVENTS = "events"
    INDEX = "index"
    CHANGES = "changes"
    UPLOADS = "uploads"
    DELETIONS = "deletions"
    PURGES = "purges"
    DUPLICATES = "duplicates"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class ObjectHint:
    """A hint that an object may have changed.

    Args:
        sequencer: of S3's event; None if the hint comes from elsewhere.
        retry: try the object again even if it has failed before.
        etag, size: of the object when the hint was sent. A failure is recorded with them; they decide nothing.
    """

    key: str
    sequencer: str | None = None
    retry: bool = False
    etag: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class IndexBatch:
    """Hints about objects of one collection.

    Args:
        sync: the sync that waits for the batch, if one does.
        batch_id: under which that sync counts the batch.
        postponed: how often the batch was sent again, because its delivery had no time left for it.
        redelivered: before it was sent again, it was delivered more than once or handled in part.
    """

    account: str
    collection: str
    hints: tuple[ObjectHint, ...]
    sync: str | None = None
    batch_id: str | None = None
    postponed: int = 0
    redelivered: bool = False

    def to_json(self) -> str:
        body: dict[str, Any] = {
            "account": self.account,
            "collection": self.collection,
            "hints": list(map(_hint_to_dict, self.hints)),
        }
        if self.sync is not None:
            body |= {"sync": self.sync, "batch_id": self.batch_id}
        if self.postponed:
            body |= {"postponed": self.postponed, "redelivered": self.redelivered}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "IndexBatch":
        raw = json.loads(text)
        hints = tuple(map(_hint_from_dict, raw["hints"]))
        return cls(
            raw["account"],
            raw["collection"],
            hints,
            raw.get("sync"),
            raw.get("batch_id"),
            raw.get("postponed", 0),
            raw.get("redelivered", False),
        )


@dataclass(frozen=True, slots=True)
class SyncStep:
    """One step of a sync: continue the key range of this number where it stands, for the ``continuation``-th time."""

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
    """One step of a collection's deletion; ``last`` is the final one, when no other worker can still be writing.

    ``early`` counts how often the message came before the collection was recorded as deleted, ``continuation`` how
    often it was handed on.
    """

    account: str
    collection: str
    last: bool = False
    early: int = 0
    continuation: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "DeletionStep":
        raw = json.loads(text)
        return cls(raw["account"], raw["collection"], raw["last"], raw["early"], raw.get("continuation", 0))


@dataclass(frozen=True, slots=True)
class AccountDeletionStep:
    """One step of an account's deletion.

    ``early`` counts how often the message came before the account was recorded as deleted, ``continuation`` how often
    it was handed on.
    """

    account: str
    early: int = 0
    continuation: int = 0

    def to_json(self) -> str:
        body = {"deleted_account": self.account, "early": self.early, "continuation": self.continuation}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "AccountDeletionStep":
        raw = json.loads(text)
        return cls(raw["deleted_account"], raw["early"], raw.get("continuation", 0))


def deletion_from_json(text: str) -> DeletionStep | AccountDeletionStep:
    """The message of the deletions queue, of a collection or of an account."""
    kind = AccountDeletionStep if "deleted_account" in json.loads(text) else DeletionStep
    return kind.from_json(text)


@dataclass(frozen=True, slots=True)
class FileDeletion:
    """The deletion of files of one managed collection, which a request has asked for at ``asked_at``.

    Args:
        keys: of the files.
        asked_at: in ISO 8601; what was uploaded later stays.
    """

    account: str
    collection: str
    keys: tuple[str, ...]
    asked_at: str

    def to_json(self) -> str:
        body = {"account": self.account, "collection": self.collection, "deleted_keys": self.keys}
        return json.dumps({**body, "asked_at": self.asked_at}, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class FileMove:
    """A managed file's move to another key, which a request has begun and a worker ends if the request could not.

    Args:
        id: with which the copy is marked.
    """

    account: str
    collection: str
    source: str
    target: str
    id: str

    def to_json(self) -> str:
        return json.dumps({"moved_file": asdict(self)}, ensure_ascii=False, separators=(",", ":"))


def file_work_from_json(text: str) -> FileDeletion | FileMove | None:
    """The deletion or move in a message of the uploads queue; None if the message is about an upload."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError:
        return None
    if not isinstance(raw, dict):
        return None
    if "moved_file" in raw:
        return FileMove(**raw["moved_file"])
    if "deleted_keys" in raw:
        return FileDeletion(raw["account"], raw["collection"], tuple(raw["deleted_keys"]), raw["asked_at"])
    return None


@dataclass(frozen=True, slots=True)
class PurgeStep:
    """One step of the purge of a shard of the removals.

    Args:
        day: of the removals with which to go on, as ``2026-11-26``; None at the beginning.
        continuation: how often the message was handed on.
    """

    shard: int
    day: str | None = None
    continuation: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "PurgeStep":
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class DuplicatesStep:
    """One step of a scan for a collection's duplicates; ``generation`` is the scan's.

    Args:
        continuation: how often the message was handed on.
    """

    account: str
    collection: str
    generation: str
    continuation: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "DuplicatesStep":
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message as a worker receives it: its id, queue and receipt handle, and how often it was delivered."""

    id: str
    queue: str
    handle: str
    received: int


def next_continuation(continuation: int) -> int:
    """The number of the invocation that continues this one.

    Raises:
        ContinuationLimit: there have been as many as any work can need.
    """
    if continuation >= MAX_CONTINUATIONS:
        raise ContinuationLimit(
            f"It was continued {MAX_CONTINUATIONS:,} times and has not ended. It must be running in a circle: see the "
            "worker's log."
        )
    return continuation + 1


def hint_batches(hints: Sequence[ObjectHint]) -> Iterator[tuple[ObjectHint, ...]]:
    for start in range(0, len(hints), INDEX_BATCH_SIZE):
        yield tuple(hints[start : start + INDEX_BATCH_SIZE])


def merged_hints(hints: Iterable[ObjectHint]) -> list[ObjectHint]:
    """One hint for each key, in the order of their first ones: a retry if any wants one, with the latest sequencer.

    One without a sequencer is of unknown age, so it must not be taken for stale: the merged hint has none either.
    """
    merged: dict[str, ObjectHint] = {}
    for hint in hints:
        merged[hint.key] = _merged(merged[hint.key], hint) if hint.key in merged else hint
    return list(merged.values())


def _merged(first: ObjectHint, second: ObjectHint) -> ObjectHint:
    if first.sequencer is None or second.sequencer is None:
        latest, later = None, second
    else:
        latest = latest_sequencer(first.sequencer, second.sequencer)
        later = first if first.sequencer == latest else second
    return ObjectHint(second.key, latest, first.retry or second.retry, later.etag, later.size)


def _hint_from_dict(raw: dict[str, Any]) -> ObjectHint:
    return ObjectHint(raw["key"], raw.get("sequencer"), raw.get("retry", False), raw.get("etag"), raw.get("size"))


def _hint_to_dict(hint: ObjectHint) -> dict[str, Any]:
    raw: dict[str, Any] = {"key": hint.key}
    if hint.sequencer:
        raw["sequencer"] = hint.sequencer
    if hint.retry:
        raw["retry"] = True
    if hint.etag is not None:
        raw |= {"etag": hint.etag, "size": hint.size}
    return raw
