"""The messages between the workers: what each says, and how it is written on the wire."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

BATCH_SIZE = 16  # objects a message: one embedder call well inside its time, few enough to share work among workers

SENT_BACK = "similarix-sent-back"  # the attribute of a message that comes from the dead letters


@dataclass(frozen=True, slots=True)
class Change:
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

    ``sync`` is the sync that waits for them, if one does, and ``mark`` the name under which it counts the batch.
    """

    account: str
    collection: str
    changes: tuple[Change, ...]
    sync: str | None = None
    mark: str | None = None

    def to_json(self) -> str:
        body: dict[str, Any] = {
            "account": self.account,
            "collection": self.collection,
            "changes": list(map(_written, self.changes)),
        }
        if self.sync is not None:
            body |= {"sync": self.sync, "mark": self.mark}
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "IndexBatch":
        raw = json.loads(text)
        changes = tuple(map(_read, raw["changes"]))
        return cls(raw["account"], raw["collection"], changes, raw.get("sync"), raw.get("mark"))


@dataclass(frozen=True, slots=True)
class SyncStep:
    """One leg of a sync: take the part of this number on from where it stands."""

    account: str
    collection: str
    sync: str
    part: int = 0
    leg: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "SyncStep":
        raw = json.loads(text)
        return cls(raw["account"], raw["collection"], raw["sync"], raw["part"], raw["leg"])


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


def batches(changes: Sequence[Change]) -> Iterator[tuple[Change, ...]]:
    for start in range(0, len(changes), BATCH_SIZE):
        yield tuple(changes[start : start + BATCH_SIZE])


def _read(told: dict[str, Any]) -> Change:
    return Change(told["key"], told.get("sequencer"), told.get("retry", False), told.get("etag"), told.get("size"))


def _written(change: Change) -> dict[str, Any]:
    told: dict[str, Any] = {"key": change.key}
    if change.sequencer:
        told["sequencer"] = change.sequencer
    if change.retry:
        told["retry"] = True
    if change.etag is not None:
        told |= {"etag": change.etag, "size": change.size}
    return told
