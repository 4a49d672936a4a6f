"""What the services need of the world outside, as narrow as they use it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from chalicelib.domain.accounts import Account, Terms, Token
from chalicelib.domain.changes import IndexBatch, SyncStep
from chalicelib.domain.collections import AutoSync, Collection, SyncState, SyncStatus
from chalicelib.domain.files import FileRecord, ObjectInfo, Picture
from chalicelib.domain.listing import Known
from chalicelib.domain.syncs import Part, Progress, Tally


class Clock(Protocol):
    def __call__(self) -> datetime:
        """The time now, with its zone."""


class Accounts(Protocol):
    """A write that names an account as it was read raises StaleWrite when it has changed since."""

    def add_account(self, account: Account) -> None: ...

    def account(self, uuid: str) -> Account | None: ...

    def all(self) -> Iterator[Account]: ...

    def set_terms(self, account: Account, terms: Terms) -> None:
        """Change the terms, on the account and on all its tokens in one transaction."""

    def add_token(self, token: Token, account: Account) -> None: ...

    def token(self, digest: str) -> Token | None: ...

    def tokens(self, account: str) -> list[Token]: ...

    def remove_token(self, account: str, token: str) -> str | None:
        """Answers the digest of the token that was removed, None where there was none."""

    def touch_token(self, digest: str, now: datetime, unless_since: datetime) -> None:
        """Note that the token was used now, unless one later than ``unless_since`` is noted already."""


class Collections(Protocol):
    """Reads see every write that returned. A write that names a sync does nothing once another has taken over."""

    def add(self, collection: Collection) -> None: ...

    def get(self, account: str, uuid: str) -> Collection | None: ...

    def of_account(self, account: str) -> list[Collection]: ...

    def on_bucket(self, bucket: str) -> list[Collection]: ...

    def due(self, interval: AutoSync) -> Iterator[Collection]: ...


class Syncs(Protocol):
    """How far syncs have come. Nothing here does anything for a sync that was cancelled, taken over or has ended."""

    def begin(self, collection: Collection, sync: SyncState, parts: Sequence[Part], now: datetime) -> bool:
        """Take the lease, which with all else is in ``sync``; False while another sync holds it at ``now``."""

    def take(self, step: SyncStep, lease: datetime) -> Part | None:
        """The part that the step is about, as it stands, and its fence raised: who took it before may write no more.

        None once the sync has ended, been cancelled or taken over, or the walk has been handed on to a later leg.
        """

    def advance(self, step: SyncStep, part: Part, made: Progress, opened: Sequence["Opened"], lease: datetime) -> None:
        """Write where a part stands, open its batches and move the sync's figures by ``made``, in one transaction.

        Raises:
            StaleWrite: another worker has taken the part, or the sync goes on no more.
        """

    def unsent(self, step: SyncStep, part: Part) -> list[IndexBatch]:
        """The batches that the last ``advance`` opened for sending, without those that are done."""

    def held(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        """Batches of removals, not yet done, in the order of their marks, above one."""

    def parts(self, sync: str) -> list[Part]: ...

    def extend(self, account: str, collection: str, sync: str, lease: datetime) -> None: ...

    def set_listed(self, step: SyncStep) -> None:
        """Note that everything has been listed and sent."""

    def close_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        """Count a batch as done, once however often it is closed."""

    def end(
        self, account: str, collection: str, sync: str, now: datetime, status: SyncStatus, reason: str | None = None
    ) -> bool:
        """Answers whether it had not ended before."""

    def splits(self, collection: str) -> list[str]:
        """Where to cut the collection's keys, as its last sync found them to lie; none before."""

    def save_splits(self, collection: str, splits: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A batch to open; a held one is not sent before the listing has met its end."""

    batch: IndexBatch
    held: bool


class Catalogue(Protocol):
    def get(self, collection: str, key: str) -> FileRecord | None: ...

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]: ...

    def find(self, uuid: str) -> FileRecord | None: ...

    def walk(self, collection: str, after: str | None) -> Iterator[Known]:
        """What is known of each object, in the order of the keys' UTF-8 bytes."""

    def twins(self, contents: Sequence[str]) -> dict[str, FileRecord]:
        """Records with a picture of the same content (``files.content``), wherever they are known; may lag behind."""

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        """Write ``record`` and move its collection's statistics in one transaction.

        Raises:
            StaleWrite: the stored record is no longer ``previous``.
            NotFound: the collection is gone.
        """

    def save_all(self, drafts: Sequence["Draft"]) -> set[str]:
        """Write records of one collection, 50 at most, as ``save`` does; answers the keys that were refused as stale.

        Raises:
            NotFound: the collection is gone.
        """

    def removed_on(self, day: date) -> Iterator[FileRecord]:
        """Records whose objects were found to be gone on that day, as they stand now; may lag behind."""

    def forget(self, record: FileRecord) -> bool:
        """Delete the record unless somebody has written it since; answers whether it did."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to write, and the one it follows."""

    record: FileRecord
    previous: FileRecord | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the embedder could not read an object; a transient one is not the object's fault."""

    code: str
    message: str
    transient: bool


@dataclass(frozen=True, slots=True)
class ObjectToEmbed:
    """``url`` is a presigned GET of the picture, ``thumbnail_url`` a presigned PUT for its thumbnail."""

    url: str
    thumbnail_url: str


class Embedder(Protocol):
    """Raises EmbedderUnavailable when no answer can be had."""

    def embed_text(self, text: str) -> "Embedding": ...

    def embed_image(self, image: bytes) -> "Picture | Failure": ...

    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> "list[Picture | Failure]": ...

    def model(self) -> str:
        """The stamp of model and decode that its answers bear now; may lag behind by a minute."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector and the stamp of what made it."""

    model: str
    vector: bytes


class Source(Protocol):
    """One collection's bucket, read with the owner's permission.

    Raises SourceDenied when it may not be read, SourceUnavailable when it cannot be read now.
    """

    def walk(self, after: str | None) -> Iterator[ObjectInfo]:
        """The objects below the collection's prefix, in the order of their keys' UTF-8 bytes."""

    def look(self, keys: Sequence[str]) -> Mapping[str, "ObjectInfo | Failure | None"]:
        """Each object as it is now: None where there is none, a Failure where it may not or cannot be read."""

    def url(self, key: str, *, seconds: int, file_name: str | None = None) -> str:
        """A presigned GET; with ``file_name`` a browser saves what it gets under that name."""


class Sources(Protocol):
    def of(self, collection: Collection) -> Source: ...


class ManagedStorage(Protocol):
    """The bucket behind managed collections, and the one for thumbnails."""

    @property
    def bucket(self) -> str: ...

    def put(self, key: str, body: bytes, content_type: str) -> ObjectInfo: ...

    def thumbnail(self, collection: str, file: str) -> bytes | None: ...

    def thumbnail_upload_url(self, collection: str, file: str, *, seconds: int) -> str: ...

    def copy_thumbnail(self, collection: str, file: str, to_collection: str, to_file: str) -> bool:
        """False where there is none to copy."""

    def delete_thumbnail(self, collection: str, file: str) -> None: ...


class Queues(Protocol):
    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None: ...

    def send_batches(self, batches: Sequence[IndexBatch]) -> None: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as a worker has it: its identifier, its queue and handle there, and how often it was handed out."""

    id: str
    queue: str
    handle: str
    received: int


class Troubles(Protocol):
    """What became of messages whose handling failed."""

    def note(self, delivery: Delivery, reason: str, now: datetime) -> None:
        """Remember why, for whoever finds the message among the dead letters."""

    def postpone(self, delivery: Delivery, seconds: int) -> None:
        """Have the queue hand the message out again after so long."""

    def reason(self, message: str) -> str | None: ...
