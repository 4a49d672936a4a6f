"""What the services need of the world outside, as narrow as they use it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.accounts import Account, Terms, Token
from chalicelib.domain.changes import IndexBatch, SyncStep
from chalicelib.domain.collections import AutoSync, Collection, Trigger
from chalicelib.domain.files import FileRecord, ObjectInfo, Picture


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

    def begin_sync(self, collection: Collection, sync: str, trigger: Trigger, now: datetime, lease: datetime) -> bool:
        """Take the lease; False while another sync holds it."""

    def extend_lease(self, step: SyncStep, lease: datetime) -> bool:
        """False once another sync has taken over."""

    def open_batch(self, batch: IndexBatch, lease: datetime) -> None:
        """Count a batch as under way, once however often it is opened."""

    def close_batch(self, batch: IndexBatch, lease: datetime) -> None:
        """Count a batch as done, once however often it is closed."""

    def listing_done(self, step: SyncStep) -> None: ...

    def end_sync(self, account: str, uuid: str, sync: str, now: datetime, *, succeeded: bool) -> None: ...


class Catalogue(Protocol):
    def get(self, collection: str, key: str) -> FileRecord | None: ...

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]: ...

    def find(self, uuid: str) -> FileRecord | None: ...

    def walk(self, collection: str, after: str | None) -> Iterator[FileRecord]:
        """Records in the order of their keys' UTF-8 bytes, without their pictures."""

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        """Write ``record`` and move its collection's statistics in one transaction.

        Raises:
            StaleWrite: the stored record is no longer ``previous``.
            NotFound: the collection is gone.
        """


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


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector and the stamp of what made it."""

    model: str
    vector: bytes


class Source(Protocol):
    """One collection's bucket, read with the owner's permission. Raises SourceUnavailable when it cannot be read."""

    def walk(self, after: str | None) -> Iterator[ObjectInfo]:
        """The objects below the collection's prefix, in the order of their keys' UTF-8 bytes."""

    def look(self, keys: Sequence[str]) -> Mapping[str, "ObjectInfo | Failure | None"]:
        """Each object as it is now: None where there is none, a Failure where it may not be read."""

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


class Queues(Protocol):
    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None: ...

    def send_batches(self, batches: Sequence[IndexBatch]) -> None: ...
