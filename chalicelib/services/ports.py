"""What the services need of the world outside, as narrow as they use it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

from chalicelib.domain.accounts import Account, Subscription, Token
from chalicelib.domain.bucket_access import AccessProblem
from chalicelib.domain.collections import AutoSync, Collection, SyncState, SyncStatus
from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.domain.files import FilePage, FileRecord, FileState, ObjectInfo, PendingWrite
from chalicelib.domain.messages import DeletionStep, IndexBatch, ReceivedMessage, SyncStep
from chalicelib.domain.plans import Plan
from chalicelib.domain.sync_diff import CatalogueEntry
from chalicelib.domain.syncs import BatchRecord, KeyRange, PendingBatch, Progress, Tally
from chalicelib.domain.uploads import FileLock, Upload, UploadForm, UploadRef, Usage
from chalicelib.domain.vectors import Hit, VectorDocument, VectorQuery, VectorRemoval


class Clock(Protocol):
    def __call__(self) -> datetime:
        """The time now, with its zone."""


class Accounts(Protocol):
    """A write that names an account as it was read raises StaleWrite when it has changed since."""

    def add_account(self, account: Account) -> None: ...

    def account(self, uuid: str) -> Account | None: ...

    def all(self) -> Iterator[Account]: ...

    def set_subscription(self, account: Account, terms: Subscription) -> None:
        """Change the terms, on the account and on all its tokens in one transaction."""

    def add_token(self, token: Token, account: Account) -> None: ...

    def token(self, digest: str) -> Token | None: ...

    def tokens(self, account: str) -> list[Token]: ...

    def remove_token(self, account: str, token: str) -> str | None:
        """Answers the digest of the token that was removed, None where there was none."""

    def touch_token(self, digest: str, now: datetime, unless_since: datetime) -> None:
        """Note that the token was used now, unless one later than ``unless_since`` is noted already."""


class CollectionRegistry(Protocol):
    """What an account holds: its collections, each a slot of its plan, and the buckets it has connected."""

    def external_id(self, account: str, bucket: str, prefix: str) -> str:
        """The account's external id for a folder of a bucket, made when it is first asked for."""

    def add(self, collection: Collection, limit: int) -> None:
        """Store a new collection.

        Raises:
            AllowanceUsedUp: the account has ``limit`` of them.
            DuplicateCollection: it has one on the same folder of the same bucket.
        """

    def change(self, collection: Collection, changes: Mapping[str, Any]) -> Collection:
        """Write ``name``, ``role_arn`` or ``auto_sync_interval``; raises NotFound once the collection is gone."""

    def begin_deletion(self, collection: Collection, now: datetime) -> None:
        """From now on the collection is gone for everybody; raises NotFound when it was already."""

    def deleted(self, account: str, uuid: str) -> Collection | None:
        """A collection whose deletion has begun."""

    def end_deletion(self, account: str, uuid: str) -> None: ...


class QuotaLedger(Protocol):
    """Uploads, and what they take of an account's allowances. Counts neither oversell nor drift, whoever crashes."""

    def usage(self, account: str, month: str) -> Usage: ...

    def reserve(self, upload: Upload, plan: Plan) -> bool:
        """Count a new upload, unless that makes more files, bytes or uploads of the month than the plan allows."""

    def upload(self, ref: UploadRef) -> Upload | None: ...

    def expired(self, account: str, now: datetime) -> list[Upload]:
        """Uploads whose time is over and which have not ended."""

    def refund(self, upload: Upload, reason: str, detail: str, now: datetime) -> bool:
        """End an upload as failed and return its share; False when it has ended already."""

    def lock(self, upload: UploadRef, key: str, holder: str, now: datetime, until: datetime) -> FileLock | None:
        """Take the right to change a file; None while somebody has it."""

    def unlock(self, claim: FileLock) -> None: ...

    def complete(self, upload: Upload, claim: FileLock, mime_type: str, now: datetime) -> None:
        """End an upload as done, its share that of the file, and end the claim.

        Raises:
            Unavailable: the claim is lost, or the upload has ended.
        """

    def refund_file(self, claim: FileLock) -> None:
        """Return the share of a file that is no more, and end the claim; raises Unavailable when the claim is lost."""

    def fix_usage(self, account: str, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        """Have an account state other files and bytes, unless they have moved; answers whether it does."""

    def delete_page(self, account: str, collection: str, now: datetime) -> bool:
        """End uploads and return shares of a collection that is deleted; False once there are none."""


class Collections(Protocol):
    """Reads see every write that returned. A write that names a sync does nothing once another has taken over."""

    def get(self, account: str, uuid: str) -> Collection | None: ...

    def of_account(self, account: str) -> list[Collection]: ...

    def on_bucket(self, bucket: str) -> list[Collection]: ...

    def due(self, interval: AutoSync) -> Iterator[Collection]: ...


class Syncs(Protocol):
    """How far syncs have come. Nothing here does anything for a sync that was cancelled, taken over or has ended."""

    def begin(self, collection: Collection, sync: SyncState, parts: Sequence[KeyRange], now: datetime) -> bool:
        """Take the lease, which with all else is in ``sync``; False while another sync holds it at ``now``."""

    def acquire(self, step: SyncStep, lease: datetime) -> KeyRange | None:
        """The part that the step is about, as it stands, and its fence raised: who took it before may write no more.

        None once the sync has ended, been cancelled or taken over, or the walk has been handed on to a later leg.
        """

    def save_progress(
        self, step: SyncStep, part: KeyRange, made: Progress, opened: Sequence["PendingBatch"], lease: datetime
    ) -> None:
        """Write where a part stands, open its batches and move the sync's figures by ``made``, in one transaction.

        Raises:
            StaleWrite: another worker has taken the part, or the sync goes on no more.
        """

    def unsent_batches(self, step: SyncStep, part: KeyRange) -> list[IndexBatch]:
        """The batches that the last ``advance`` opened for sending, without those that are done."""

    def deferred_batches(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        """Batches of removals, not yet done, in the order of their marks, above one."""

    def key_ranges(self, sync: str) -> list[KeyRange]: ...

    def batch_records(self, sync: str) -> Iterator["BatchRecord"]:
        """Every batch that the sync has opened; they and the parts are on record for 14 days."""

    def renew_lease(self, account: str, collection: str, sync: str, lease: datetime) -> None: ...

    def mark_listed(self, step: SyncStep) -> None:
        """Note that everything has been listed and sent."""

    def complete_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        """Count a batch as done, once however often it is closed."""

    def end(
        self, account: str, collection: str, sync: str, now: datetime, status: SyncStatus, reason: str | None = None
    ) -> bool:
        """Answers whether it had not ended before."""

    def splits(self, collection: str) -> list[str]:
        """Where to cut the collection's keys, as its last sync found them to lie; none before."""

    def save_splits(self, collection: str, splits: Sequence[str]) -> None: ...


class Catalogue(Protocol):
    def get(self, collection: str, key: str) -> FileRecord | None: ...

    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]: ...

    def find(self, uuid: str) -> FileRecord | None: ...

    def entries(self, collection: str, after: str | None) -> Iterator[CatalogueEntry]:
        """What is known of each object, in the order of the keys' UTF-8 bytes."""

    def find_by_content(self, contents: Sequence[str]) -> dict[str, FileRecord]:
        """Records with a picture of the same content (``files.content``), wherever they are known; may lag behind."""

    def page(self, collection: str, state: FileState | None, *, after: str | None, limit: int) -> FilePage:
        """Records of one state, or of all but the removed; their pictures come with an empty vector."""

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        """Write ``record`` and move its collection's statistics in one transaction.

        Raises:
            StaleWrite: the stored record is no longer ``previous``.
            NotFound: the collection is gone.
        """

    def save_all(self, drafts: Sequence["PendingWrite"], plan: Plan | None = None) -> set[str]:
        """Write records of one collection, 50 at most, as ``save`` does; answers the keys that were refused as stale.

        Args:
            plan: of the account, whose files and bytes move with the collection's; None: they are counted elsewhere.

        Raises:
            NotFound: the collection is gone.
            AllowanceUsedUp: the plan does not allow what they add; none is written.
        """

    def removed_on(self, day: date) -> Iterator[FileRecord]:
        """Records whose objects were found to be gone on that day, as they stand now; may lag behind."""

    def forget(self, record: FileRecord) -> bool:
        """Delete the record unless somebody has written it since; answers whether it did."""

    def remove_page(self, collection: str) -> bool:
        """Remove some records of a collection for good; False once there are none."""

    def fix_statistics(self, collection: Collection, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        """Have a collection state other files and bytes, unless they have moved; answers whether it does.

        What its account states is another matter: ``QuotaLedger.correct``.
        """


class Embedder(Protocol):
    """Raises EmbedderUnavailable when no answer can be had."""

    def embed_text(self, text: str) -> "QueryVector": ...

    def embed_image(self, image: bytes) -> "ImageEmbedding | ReadFailure": ...

    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> "list[ImageEmbedding | ReadFailure]": ...

    def model_version(self) -> str:
        """The stamp of model and decode that its answers bear now; may lag behind by a minute."""


class Source(Protocol):
    """One collection's bucket, read with the owner's permission.

    Raises SourceDenied when it may not be read, SourceUnavailable when it cannot be read now.
    """

    def list_objects(self, after: str | None) -> Iterator[ObjectInfo]:
        """The objects below the collection's prefix, in the order of their keys' UTF-8 bytes."""

    def head_objects(self, keys: Sequence[str]) -> Mapping[str, "ObjectInfo | ReadFailure | None"]:
        """Each object as it is now: None where there is none, a Failure where it may not or cannot be read."""

    def url(self, key: str, *, seconds: int, file_name: str | None = None) -> str:
        """A presigned GET; with ``file_name`` a browser saves what it gets under that name."""


class Sources(Protocol):
    def of(self, collection: Collection) -> Source: ...


class BucketAccessChecker(Protocol):
    def check(self, collection: Collection) -> list[AccessProblem]:
        """What keeps a collection's bucket from being read; raises SourceUnavailable when that cannot be told now."""


class ManagedStorage(Protocol):
    """The bucket behind managed collections, and the one for thumbnails, each at a place of its collection's."""

    @property
    def bucket(self) -> str: ...

    def put(self, key: str, body: bytes, content_type: str) -> ObjectInfo: ...

    def move(self, key: str, to: str, content_type: str) -> None:
        """Copy an object within the bucket; raises NotFound when it is not there."""

    def remove(self, key: str) -> None: ...

    def url(self, key: str, *, seconds: int) -> str:
        """A presigned GET."""

    def form(self, key: str, *, size: int, content_type: str, seconds: int) -> UploadForm:
        """A presigned POST that takes just so many bytes under just that type."""

    def remove_page(self, prefix: str) -> bool:
        """Remove some objects of the managed bucket; False once there are none."""

    def remove_thumbnails_page(self, collection: str) -> bool:
        """Remove some thumbnails of a collection; False once there are none."""

    def thumbnail(self, collection: str, place: str) -> bytes | None: ...

    def thumbnail_upload_url(self, collection: str, place: str, *, seconds: int) -> str: ...

    def copy_thumbnail(self, collection: str, place: str, to_collection: str, to_place: str) -> bool:
        """False where there is none to copy."""

    def delete_thumbnail(self, collection: str, place: str) -> None: ...

    def stored_thumbnails(self, collection: str, before: datetime) -> Iterator[str]:
        """The places of a collection's thumbnails that were stored before that time."""


class Queues(Protocol):
    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None: ...

    def send_batches(self, batches: Sequence[IndexBatch]) -> None: ...

    def send_deletion(self, step: DeletionStep, *, delay: int = 0) -> None: ...

    def send_upload(self, upload: UploadRef, *, delay: int = 0) -> None: ...

    def delay(self, message: ReceivedMessage, seconds: int) -> None:
        """Have the queue deliver a received message again after so many seconds."""


class FailureLog(Protocol):
    """Why the handling of messages failed."""

    def record(self, message: ReceivedMessage, reason: str, now: datetime) -> None: ...

    def reason(self, message: str) -> str | None:
        """The last recorded reason of the message with this identifier."""


class VectorStore(Protocol):
    """A projection of the catalogue that finds nearest neighbours.

    Every method raises ``StoreUnavailable`` when the store cannot be reached. The next search of any process sees a
    write that has returned.
    """

    def upsert(self, documents: Sequence[VectorDocument]) -> None: ...

    def remove(self, removals: Sequence[VectorRemoval]) -> None: ...

    def remove_collection(self, account: str, collection: str) -> None: ...

    def search(self, query: VectorQuery) -> list[Hit]: ...

    def count(self, account: str, collection: str | None = None, model: str | None = None) -> int:
        """Returns how many documents an account has; without a model, a picture counts once for each of its models."""


class Rebuild(Protocol):
    """The vectors of one model version, being filled again while searches and writes go on."""

    def indexed_versions(self, uuids: Sequence[str]) -> dict[str, int]:
        """Returns the versions that this rebuild has of these files, tombstones included."""

    def write(self, documents: Sequence[VectorDocument], removals: Sequence[VectorRemoval]) -> None:
        """Write documents and tombstones; one with a lower version than the stored one loses, as everywhere."""

    def count(self, account: str, collection: str) -> int: ...

    def search(self, query: VectorQuery) -> list[Hit]:
        """Search what has been written to the rebuild."""

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        """As ``search``, with every vector compared."""

    def serve(self) -> None:
        """In one step, let searches see what the rebuild has, and nothing else."""


class MaintainedVectorStore(VectorStore, Protocol):
    """What administration needs of a store beside what the application does."""

    def rebuild(self, model: str, dimension: int, *, anew: bool = True) -> Rebuild:
        """Begin to fill a model version's vectors again, or continue an earlier rebuild where it stopped.

        Args:
            anew: else the vectors that are searched now are completed.
        """

    def search_exactly(self, query: VectorQuery) -> list[Hit]:
        """As ``search``, with every vector compared."""

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Returns versions and vectors of those files that have a vector of this model version."""

    def retire_others(self, model: str) -> None:
        """Stop searching and writing the vectors of other model versions; ``drop_old`` deletes them."""

    def check_health(self) -> list[str]:
        """Returns what is wrong with the store itself, each in a sentence that says what to do about it."""

    def drop_old(self) -> list[str]:
        """Delete what rebuilds have left behind; returns the names."""

    def abandon(self) -> list[str]:
        """Delete what an unfinished rebuild has written; returns the names."""

    def purge(self) -> int:
        """Delete tombstones that are older than any late write can be; returns how many."""


class Adapters(Protocol):
    """Every port, as ``adapters.factory`` makes them for AWS and the tests make them in memory."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def quota_ledger(self) -> QuotaLedger: ...

    @property
    def registry(self) -> CollectionRegistry: ...

    @property
    def collections(self) -> Collections: ...

    @property
    def syncs(self) -> Syncs: ...

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def sources(self) -> Sources: ...

    @property
    def access_checker(self) -> BucketAccessChecker: ...

    @property
    def storage(self) -> ManagedStorage: ...

    @property
    def queues(self) -> Queues: ...

    @property
    def failure_log(self) -> FailureLog: ...

    @property
    def embedder(self) -> Embedder: ...

    @property
    def vectors(self) -> MaintainedVectorStore: ...
