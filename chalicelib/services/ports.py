"""The ports: what the services need of the systems outside, no wider than they use them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

from chalicelib.domain.accounts import Account, AccountItem, Subscription, Token
from chalicelib.domain.bucket_access import AccessFindings
from chalicelib.domain.calibration import Calibration, CalibrationAttempt
from chalicelib.domain.collections import AutoSync, Collection, SyncState, SyncStatus
from chalicelib.domain.duplicate_groups import DuplicateGroup, DuplicatesScan, GroupFile
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure, StashedImage
from chalicelib.domain.file_queries import FileQuery, FoundFile
from chalicelib.domain.files import (
    CatalogueEntry,
    FileCounts,
    FilePage,
    FileRecord,
    FileState,
    ObjectInfo,
    PendingWrite,
)
from chalicelib.domain.idempotency import KeyedRequest
from chalicelib.domain.links import SigningKeys
from chalicelib.domain.messages import (
    AccountDeletionStep,
    DeletionStep,
    DuplicatesStep,
    FileDeletion,
    FileMove,
    IndexBatch,
    PurgeStep,
    ReceivedMessage,
    SyncStep,
)
from chalicelib.domain.plans import Plan
from chalicelib.domain.rates import RateLimit, Taking
from chalicelib.domain.search_uploads import SearchUpload
from chalicelib.domain.sessions import Session
from chalicelib.domain.sign_in import SignInAttempt
from chalicelib.domain.syncs import BatchRecord, KeyRange, PendingBatch, Progress, Tally
from chalicelib.domain.thumbnails import ThumbnailSize, ThumbnailToMake
from chalicelib.domain.uploads import (
    FileClaim,
    FileLock,
    StoredObject,
    Upload,
    UploadCheck,
    UploadForm,
    UploadPage,
    UploadRef,
    Usage,
)
from chalicelib.domain.users import Identity, Invitation, Membership, Role, User
from chalicelib.domain.vectors import CountedHits, Hit, VectorDocument, VectorQuery, VectorRemoval
from chalicelib.domain.web_pictures import PictureUrl, WebPicture
from chalicelib.domain.webhooks import (
    DeliveryPage,
    DeliveryState,
    DeliveryStep,
    WebhookAnswer,
    WebhookDelivery,
    WebhookEndpoints,
    WebhookEvent,
)


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Return the time now, with its zone."""


class SigningKeyStore(Protocol):
    """The keys that sign links, one pair for the deployment."""

    def read_or_create(self, new: SigningKeys) -> SigningKeys:
        """Return the stored keys, or store these if there are none."""

    def replace(self, current: SigningKeys, new: SigningKeys) -> None:
        """Replace the keys; raises StaleWrite if the current ones are others."""


class Accounts(Protocol):
    """Accounts and their tokens. A write raises StaleWrite when its ``account`` has changed since it was read."""

    def add_account(self, account: Account) -> None: ...
    def account(self, uuid: str) -> Account | None: ...
    def all(self) -> Iterator[Account]: ...
    def rename(self, account: Account, name: str) -> None: ...
    def set_subscription(self, account: Account, subscription: Subscription) -> None:
        """Change the subscription of the account and of all its tokens, in one transaction."""

    def add_token(self, token: Token, account: Account) -> None: ...
    def token(self, digest: str) -> Token | None: ...
    def tokens(self, account: str) -> list[Token]: ...
    def remove_tokens(self, tokens: Sequence[Token], account: Account) -> None:
        """Remove tokens of the account, in one transaction."""

    def items(self, account: str, after: str | None, limit: int) -> tuple[list[AccountItem], str | None]:
        """Return what else is stored with the account, and the key after which the next page begins, if there is one.

        Secrets are left out. A page may be short, or empty, although another one follows.
        """

    def begin_deletion(self, account: Account, now: datetime) -> None:
        """Mark the account as deleted and remove all its tokens, in one transaction."""

    def delete_page(self, account: str) -> bool:
        """Delete some of what else is stored with the account; False if nothing was left."""

    def end_deletion(self, account: str) -> None:
        """Delete an account whose deletion has begun; does nothing if it is gone."""

    def touch_token(self, digest: str, now: datetime, unless_used_since: datetime) -> None:
        """Record that the token is used now, unless a use at ``unless_used_since`` or later is recorded."""


class Users(Protocol):
    """Users, their memberships, and invitations.

    A write raises StaleWrite when its ``user`` or ``account`` has changed since it was read, and changes the revision.
    """

    def add(self, user: User) -> None:
        """Store a new user; raises StaleWrite if there is one."""

    def user(self, user: str) -> User | None: ...
    def all(self) -> Iterator[User]: ...
    def change(self, user: User, **changes: Any) -> User:
        """Write ``email``, ``name``, ``account`` or ``disabled_at``; returns the user as stored."""

    def open_account(self, user: User, account: Account, membership: Membership) -> User:
        """Store a new account and its first member in one transaction; returns the user, who works in it."""

    def membership(self, account: str, user: str) -> Membership | None: ...
    def members(self, account: str) -> list[Membership]: ...
    def accounts_of(self, user: str) -> list[str]:
        """Return the identifiers of accounts that the user belongs to; some may be deleted."""

    def describe(self, membership: Membership) -> None:
        """Write the ``email`` and ``name`` of a membership, if it exists."""

    def change_role(self, membership: Membership, role: Role, account: Account) -> None: ...
    def leave(self, membership: Membership, account: Account, tokens: Sequence[Token] = ()) -> None:
        """Remove a membership, and tokens of the account with it, in one transaction."""

    def invite(self, invitation: Invitation, account: Account) -> None:
        """Store an invitation, in place of another one of this address to the account."""

    def join(self, membership: Membership, invitation: Invitation, account: Account) -> None:
        """Store a membership and remove the invitation, in one transaction.

        Raises:
            StaleWrite: the invitation was withdrawn or renewed since it was read, or the user is a member.
        """

    def withdraw(self, invitation: Invitation) -> None: ...
    def invitations(self, account: str) -> list[Invitation]: ...
    def invitations_to(self, email: str) -> list[Invitation]: ...
    def clear_account(self, account: str) -> None:
        """Remove all members and invitations of an account, and users who belong to no other, with their sessions.

        A user who is disabled is kept, in no account: else the same person would come back as a new user. A disabled
        user's sessions sign nobody in, and end by their lifetime.

        Raises:
            StaleWrite: a disabled user was changed at the same time.
        """


class Sessions(Protocol):
    """Sessions of the dashboard, by user and digest."""

    def add(self, session: Session) -> None: ...
    def get(self, user: str, digest: str) -> Session | None:
        """Return a session; it may have expired."""

    def of_user(self, user: str) -> list[Session]: ...
    def touch(self, session: Session) -> None:
        """Record the session's ``last_used``, unless it was removed."""

    def switch(self, session: Session, account: str) -> None: ...
    def remove(self, user: str, digests: Sequence[str]) -> None: ...


class CollectionRegistry(Protocol):
    """Creates, changes and deletes collections within the plan, and keeps the external ids of connected buckets."""

    def external_id(self, account: str, bucket: str, prefix: str) -> str:
        """Return the account's external id for a folder of a bucket, always the same; stores nothing of the folder."""

    def add(self, collection: Collection, limit: int) -> None:
        """Store a new collection.

        Raises:
            QuotaExceeded: the account has ``limit`` collections.
            DuplicateCollection: the account has a collection on the same folder of the same bucket.
        """

    def change(self, collection: Collection, changes: Mapping[str, Any]) -> Collection:
        """Write ``name``, ``role_arn``, ``auto_sync_interval``, ``auto_sync_at``, ``include`` or ``exclude``.

        Raises:
            NotFound: the collection is deleted.
        """

    def begin_deletion(self, collection: Collection, now: datetime) -> None:
        """Hide the collection from all readers but ``deleted``; raises NotFound if it is hidden already."""

    def deleted(self, account: str, uuid: str) -> Collection | None:
        """Return a collection whose deletion has begun."""

    def end_deletion(self, account: str, uuid: str) -> None: ...
    def has_collections(self, account: str) -> bool:
        """Whether the account has collections, those whose deletion has begun included."""


class QuotaLedger(Protocol):
    """Uploads and the quota they reserve. The counts never exceed the plan and never drift, even after crashes."""

    def usage(self, account: str, month: str) -> Usage: ...
    def reserve(self, upload: Upload, plan: Plan) -> bool:
        """Count a new upload; False if the plan does not allow its file, its bytes or one more upload this month."""

    def upload(self, ref: UploadRef) -> Upload | None: ...
    def pending_uploads(
        self, account: str, collection: str, folder: str, *, after: str | None, limit: int
    ) -> UploadPage:
        """Return a collection's pending uploads whose bytes arrive in this staging folder."""

    def refund(self, upload: Upload, reason: str, detail: str, now: datetime) -> bool:
        """End an upload as failed and release its quota; False if it has ended already."""

    def claims(self, account: str, collection: str, keys: Sequence[str], now: datetime) -> Mapping[str, FileClaim]:
        """Return what is charged for, or locked of, the files under these keys, 100 at most."""

    def lock(
        self,
        upload: UploadRef,
        key: str,
        owner: str,
        now: datetime,
        expires_at: datetime,
        md5: str | None = None,
    ) -> FileLock | None:
        """Lock a file for changes; None while another owner has it locked.

        Args:
            md5: of the picture that is to be stored, for other uploads to see.
        """

    def unlock(self, lock: FileLock) -> None: ...
    def set_target(self, upload: Upload) -> None:
        """Write the upload's ``moved_to``; raises Unavailable if it has ended."""

    def complete(self, upload: Upload, lock: FileLock, md5: str, now: datetime) -> None:
        """End an upload as done, as it is given, charge its quota to the file, and unlock the file.

        Raises:
            Unavailable: the lock is lost, or the upload has ended.
        """

    def complete_duplicate(self, upload: Upload, lock: FileLock, now: datetime) -> None:
        """End an upload as done, as it is given, release its quota, and unlock the file, which is its picture.

        Raises:
            Unavailable: the lock is lost, or the upload has ended.
        """

    def refund_file(self, lock: FileLock) -> None:
        """Release the quota of a deleted file and unlock it; raises Unavailable if the lock is lost."""

    def move_charge(self, source: FileLock, target: FileLock) -> None:
        """Charge what the source's file is charged for to the target, in one step, and unlock the target.

        Raises:
            Unavailable: a lock is lost.
        """

    def fix_usage(self, account: str, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        """Replace an account's files and bytes by the counted ones; False if they are no longer the stated ones."""

    def delete_page(self, account: str, collection: str, now: datetime) -> bool:
        """Delete some uploads of a deleted collection and release their quota; False if none were left."""


class IdempotentAnswers(Protocol):
    """The answers to requests with an idempotency key, for ``idempotency.ANSWERS_KEPT``."""

    def answer(self, request: KeyedRequest, milliseconds_left: int, respond: Callable[[], str]) -> tuple[str, bool]:
        """Return the answer of ``respond``, or the one kept of an earlier request, and whether it was kept.

        Errors that ``respond`` raises rise, and nothing is kept of them.

        Args:
            respond: makes an answer of at most ``idempotency.ANSWER_LIMIT`` bytes.
            milliseconds_left: until this process is ended: the key is free again then, whatever has happened to it.

        Raises:
            IdempotencyKeyInUse: a request with this key is in progress.
            IdempotencyKeyReused: the earlier request had another payload.
            Unavailable: the database refused it; what ``respond`` has made is made.
        """


class SearchUploads(Protocol):
    """Pictures that accounts have uploaded to search by; an expired one may be there or not."""

    def add(self, upload: SearchUpload, limit: int) -> bool:
        """Store an upload; False if its account has added ``limit`` in the hour of its ``created_at``."""

    def get(self, account: str, upload_id: str) -> SearchUpload | None: ...
    def remove(self, account: str, upload_id: str) -> None: ...


class Collections(Protocol):
    """Reads see every write that has returned."""

    def get(self, account: str, uuid: str) -> Collection | None: ...
    def of_account(self, account: str) -> list[Collection]: ...
    def on_bucket(self, bucket: str) -> list[Collection]: ...
    def due(self, interval: AutoSync) -> Iterator[Collection]: ...
    def has_files(self) -> bool:
        """Whether any collection of any account has indexed files; reads them all if none has."""


class Syncs(Protocol):
    """The progress of syncs. Every method ignores a sync that was cancelled, has ended or was replaced by another."""

    def begin(self, collection: Collection, sync: SyncState, key_ranges: Sequence[KeyRange], now: datetime) -> bool:
        """Store a new sync with its lease.

        Returns:
            False while another sync has the lease at ``now``, for a caller who has cancelled too many lately, and for a
            run of the schedule that was started already, or a later one.
        """

    def acquire(self, step: SyncStep, lease: datetime) -> KeyRange | None:
        """Return the step's key range with a new fencing token, so that earlier workers can no longer write it.

        None if the sync does not run any more, or a later continuation of the range has begun.
        """

    def save_progress(
        self,
        step: SyncStep,
        key_range: KeyRange,
        progress: Progress,
        pending_batches: Sequence[PendingBatch],
        lease: datetime,
    ) -> None:
        """Write the key range, store its batches and add ``progress`` to the sync's figures, in one transaction.

        Raises:
            StaleWrite: another worker has acquired the key range, or the sync does not run any more.
        """

    def unsent_batches(self, step: SyncStep, key_range: KeyRange) -> list[IndexBatch]:
        """Return the unfinished batches among those that the last ``save_progress`` stored for sending."""

    def deferred_batches(self, step: SyncStep, after: str | None) -> Iterator[IndexBatch]:
        """Return the unfinished batches of removals, ordered by batch id, that come after the given id."""

    def key_ranges(self, sync: str) -> list[KeyRange]: ...
    def batch_records(self, sync: str) -> Iterator[BatchRecord]:
        """Return every batch of the sync; batches and key ranges are stored for 14 days."""

    def renew_lease(self, account: str, collection: str, sync: str, lease: datetime) -> None: ...
    def mark_listed(self, step: SyncStep) -> None:
        """Record that the bucket is listed to its end and that every batch is sent."""

    def complete_batch(self, batch: IndexBatch, tally: Tally, lease: datetime) -> None:
        """Count a batch as done; later calls for the same batch change nothing.

        Of a cancelled sync only a batch with outcomes counts: the others were dropped.
        """

    def end(
        self, account: str, collection: str, sync: str, now: datetime, status: SyncStatus, reason: str | None = None
    ) -> bool:
        """End the sync; False if it has ended already."""

    def delete_page(self, collection: str, sync: str | None) -> bool:
        """Delete some of what is stored of a collection and its latest sync; False if nothing was left."""

    def splits(self, collection: str) -> list[str]:
        """Return the keys that divide the collection evenly, as its last sync saw them; none before the first."""

    def save_splits(self, collection: str, splits: Sequence[str]) -> None: ...


class Catalogue(Protocol):
    def get(self, collection: str, key: str) -> FileRecord | None: ...
    def get_many(self, collection: str, keys: Sequence[str]) -> dict[str, FileRecord]: ...
    def get_each(self, files: Sequence[tuple[str, str]]) -> dict[tuple[str, str], FileRecord]:
        """Return the records of files that are named by collection and key, 100 at most."""

    def find(self, uuid: str) -> FileRecord | None: ...
    def find_many(self, uuids: Sequence[str]) -> dict[str, FileRecord]:
        """Return the records with these uuids, by uuid; the vectors of their embeddings may be missing."""

    def entries(self, collection: str, after: str | None, limit: int | None = None) -> Iterator[CatalogueEntry]:
        """Return what a sync compares of each record, in the order of the keys' UTF-8 bytes.

        Args:
            limit: the most that are read; None for all of them.
        """

    def find_by_content(self, content_keys: Sequence[str]) -> dict[str, FileRecord]:
        """Return records with an embedding of the same content (``files.content_key``); the index may lag behind."""

    def page(
        self, collection: str, state: FileState | None, *, after: str | None, limit: int, reason: str | None = None
    ) -> FilePage:
        """Return records of one state, or of all but the removed ones; the vectors of their embeddings are empty.

        Args:
            reason: only failed records with this reason; ``state`` is then ``FAILED``.
        """

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        """Write ``record`` and update its collection's statistics in one transaction.

        Raises:
            StaleWrite: the stored record is no longer ``previous``.
            NotFound: the collection is deleted.
        """

    def save_all(self, writes: Sequence[PendingWrite], plan: Plan | None = None) -> set[str]:
        """Write records of one collection, 50 at most, as ``save`` does; returns the keys of the stale ones.

        Args:
            plan: of the account, whose usage changes with the statistics; None if its usage is counted elsewhere.

        Raises:
            NotFound: the collection is deleted.
            QuotaExceeded: the plan does not allow what the records add; none is written.
        """

    def removed(self, shard: int, first: date, last: date) -> Iterator[FileRecord]:
        """Return the present records of objects that were found removed on those days, the oldest day first.

        Args:
            shard: of the removals, as ``files.removal_shard`` has it. The index may lag behind.
        """

    def delete(self, record: FileRecord) -> bool:
        """Delete the record; False if it has been written since it was read."""

    def delete_page(self, collection: str) -> bool:
        """Delete some records of a collection; False if none were left."""

    def fix_statistics(self, collection: Collection, stated: FileCounts, counted: FileCounts) -> bool:
        """Replace a collection's counts by the counted ones; False if they are no longer the stated ones.

        The usage of the account is apart: ``QuotaLedger.fix_usage``.
        """


class Duplicates(Protocol):
    """The duplicates of collections, and the scans that look for them.

    A write with a ``scan`` raises StaleWrite when another worker has acquired the scan, or another scan has begun.
    """

    def scan(self, collection: str) -> DuplicatesScan | None:
        """Return the latest scan of the collection."""

    def begin(self, collection: str, generation: str, now: datetime) -> bool:
        """Begin a scan; False while another one has its lease."""

    def stop(self, collection: str, generation: str, now: datetime) -> None:
        """End the lease of a scan that nobody will go on with; does nothing if another scan has begun."""

    def acquire(self, step: DuplicatesStep, now: datetime) -> DuplicatesScan | None:
        """Return the step's scan with a new fencing token and lease.

        None if another scan has begun, a later continuation has begun, or the scan has taken too long.
        """

    def save(self, collection: str, scan: DuplicatesScan, now: datetime) -> None:
        """Write the scan's ``phase``, ``after`` and ``files``, and renew its lease."""

    def add_files(self, collection: str, scan: DuplicatesScan, files: Sequence[GroupFile]) -> None:
        """Store files that the scan has read; one that is stored already is overwritten."""

    def files(self, collection: str, scan: DuplicatesScan, after: str | None) -> Iterator[GroupFile]:
        """Return the scan's files in the order of their contents, those behind the content ``after``."""

    def files_of(self, collection: str, scan: DuplicatesScan, content: str, limit: int) -> list[GroupFile]:
        """Return the scan's files of one content, ``limit`` at most."""

    def claimed(
        self, collection: str, scan: DuplicatesScan, claims: Sequence[tuple[Tier, str]]
    ) -> set[tuple[Tier, str]]:
        """Return which of these tiers and contents have a group already."""

    def add_group(self, collection: str, scan: DuplicatesScan, group: DuplicateGroup, contents: Sequence[str]) -> None:
        """Store a group and claim its contents for its tier, in one transaction; ``GROUP_CONTENTS_MAX`` at most."""

    def finish(self, collection: str, scan: DuplicatesScan, now: datetime) -> DuplicatesScan:
        """End the scan: from now on its groups are shown, and no others; returns it as it is then."""

    def groups(
        self, collection: str, generation: str, tiers: Sequence[Tier], after: str | None, limit: int
    ) -> list[DuplicateGroup]:
        """Return groups of these tiers behind a position, in the order of their positions."""

    def delete_replaced_page(self, collection: str, scan: DuplicatesScan) -> bool:
        """Delete some groups of the generations that the scan has replaced; False if none were left."""

    def delete_page(self, collection: str) -> bool:
        """Delete some of what is stored of a collection; False if nothing was left.

        From the first call on, a worker that has acquired the scan writes nothing more.
        """


class EmbeddingStash(Protocol):
    """Embeddings whose records could not be saved, by ``files.content_key``, for a day."""

    def put(self, images: Mapping[str, StashedImage], now: datetime) -> None: ...
    def get(self, content_keys: Sequence[str]) -> dict[str, StashedImage]: ...


class Embedder(Protocol):
    """Raises EmbedderUnavailable when the model cannot be reached or fails."""

    def embed_texts(self, texts: Sequence[str]) -> list[QueryVector | ReadFailure]:
        """Return the vector of each text, in order, all of one model version; or why the model does not read it."""

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure: ...
    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> list[ImageEmbedding | ReadFailure]: ...
    def make_thumbnail(self, thumbnail: ThumbnailToMake) -> ReadFailure | None:
        """Make a thumbnail and upload it; returns why that was not possible, else None."""

    def model_version(self) -> str:
        """Return the model version of new embeddings; may lag behind by a minute."""

    def model_calibration(self) -> Calibration | None:
        """Return the statistics that the model ships with, if it has any."""


class QueryEmbedder(Protocol):
    """Embeds what an account searches for; raises as ``Embedder`` does."""

    def embed_texts(self, account: str, texts: Sequence[str]) -> list[QueryVector | ReadFailure]: ...
    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure: ...
    def embed_objects(self, urls: Sequence[str]) -> list[ImageEmbedding | ReadFailure]:
        """Embed the objects that presigned URLs serve, without thumbnails."""


class Source(Protocol):
    """One collection's folder of its bucket, read with the owner's permission.

    A key outside the folder raises OutsideFolder, and S3 is not asked. SourceDenied is raised when the bucket may not
    be read, SourceUnavailable when it cannot be read now.
    """

    def list_objects(self, after: str | None) -> Iterator[ObjectInfo]:
        """Return the objects under the collection's prefix, in the order of their keys' UTF-8 bytes."""

    def head_objects(self, keys: Sequence[str]) -> Mapping[str, ObjectInfo | ReadFailure | None]:
        """Return each object as it is now: None if it does not exist, a ReadFailure if it cannot be read."""

    def presigned_get(self, key: str, *, seconds: int, file_name: str | None = None, show_as: str | None = None) -> str:
        """Return a presigned URL; with ``file_name`` a browser saves the object under that name."""


class Sources(Protocol):
    def of(self, collection: Collection) -> Source: ...


class BucketAccessChecker(Protocol):
    def check(self, collection: Collection) -> AccessFindings:
        """Try the bucket and some of its objects; raises SourceUnavailable if S3 cannot tell now."""


class Area(Protocol):
    """A part of the managed bucket."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Return the beginnings of its keys."""

    def check(self, key: str) -> str:
        """Return the key; raises OutsideFolder unless it is in the area."""


class ManagedStorage(Protocol):
    """The bucket of all managed collections, and the bucket of thumbnails, ordered by collection.

    Every call with a key raises OutsideFolder unless the key is in the ``area``.
    """

    @property
    def bucket(self) -> str: ...
    def put(self, area: Area, key: str, body: bytes, content_type: str) -> ObjectInfo: ...
    def copy(self, area: Area, key: str, target: str, content_type: str, *, md5: str, upload: str) -> None:
        """Copy an object whose bytes have this MD5, and mark the copy with the id of the upload that stores it.

        Raises:
            NotFound: it does not exist.
            Contention: it has other bytes by now.
        """

    def stored(self, area: Area, key: str) -> StoredObject | None: ...

    def delete(self, area: Area, key: str) -> None: ...
    def presigned_get(self, area: Area, key: str, *, seconds: int) -> str: ...
    def presigned_form(self, area: Area, key: str, *, size: int, content_type: str, seconds: int) -> UploadForm:
        """Return a presigned POST that accepts exactly this size and type."""

    def delete_page(self, area: Area) -> bool:
        """Delete some objects of the area; False if none were left."""

    def delete_thumbnails_page(self, collection: str) -> bool:
        """Delete some thumbnails of a collection; False if none were left."""

    def thumbnail(
        self, collection: str, thumbnail_key: str, size: ThumbnailSize = ThumbnailSize.MEDIUM
    ) -> bytes | None: ...
    def thumbnail_url(self, collection: str, thumbnail_key: str, *, seconds: int) -> str:
        """Return a presigned URL of the thumbnail of medium size."""

    def thumbnail_upload_url(
        self, collection: str, thumbnail_key: str, *, size: ThumbnailSize = ThumbnailSize.MEDIUM, seconds: int
    ) -> str: ...
    def copy_thumbnail(self, collection: str, thumbnail_key: str, to_collection: str, to_key: str) -> bool:
        """Copy a thumbnail of medium size; False if it does not exist."""

    def delete_thumbnail(self, collection: str, thumbnail_key: str) -> None:
        """Delete a thumbnail in all sizes."""

    def stored_thumbnails(self, collection: str, before: datetime) -> Iterator[str]:
        """Return the keys of a collection's thumbnails of which a size was stored before that time, each key once."""


class Queues(Protocol):
    """Messages to workers. Each belongs to an account: one that sends many delays those of the others little."""

    def send_sync(self, step: SyncStep, *, delay: int = 0) -> None: ...
    def send_batches(self, batches: Sequence[IndexBatch]) -> None:
        """Have batches indexed that may be thousands, such as those of a sync."""

    def send_changes(self, batches: Sequence[IndexBatch], *, delay: int = 0) -> None:
        """Have batches indexed that somebody waits for; they do not wait for those of ``send_batches``."""

    def send_deletion(self, step: DeletionStep | AccountDeletionStep, *, delay: int = 0) -> None: ...
    def send_purge(self, step: PurgeStep, *, delay: int = 0) -> None: ...
    def send_duplicates_step(self, step: DuplicatesStep) -> None: ...
    def send_upload_check(self, check: UploadCheck, *, delay: int = 0) -> None: ...
    def send_file_deletion(self, deletion: FileDeletion) -> None: ...
    def send_file_move(self, move: FileMove, *, delay: int = 0) -> None: ...
    def send_event(self, event: WebhookEvent) -> None: ...
    def send_delivery(self, step: DeliveryStep, *, delay: int = 0) -> None: ...
    def delay(self, message: ReceivedMessage, seconds: int) -> None:
        """Redeliver a received message after so many seconds."""


class FailureLog(Protocol):
    """Why messages failed."""

    def record(self, message: ReceivedMessage, reason: str, now: datetime) -> None: ...
    def reason(self, message: str) -> str | None:
        """Return the last recorded reason of the message with this id."""


class WebhookRegistry(Protocol):
    """The endpoints of accounts."""

    def of_account(self, account: str) -> WebhookEndpoints:
        """Return all endpoints of the account; a read sees every write that has returned."""

    def save(self, endpoints: WebhookEndpoints) -> None:
        """Write all endpoints of an account; raises StaleWrite if they have changed since they were read."""


class WebhookDeliveries(Protocol):
    """Deliveries of events to endpoints, each kept for ``webhooks.DELIVERY_RETENTION``."""

    def add(self, delivery: WebhookDelivery) -> bool:
        """Store a new delivery; False if the endpoint has one of this id."""

    def get(self, account: str, endpoint: str, delivery: str) -> WebhookDelivery | None: ...
    def save(self, delivery: WebhookDelivery, previous: WebhookDelivery) -> None:
        """Write a delivery; raises StaleWrite if the stored one is no longer ``previous``."""

    def page(
        self, account: str, endpoint: str, state: DeliveryState | None, *, after: str | None, limit: int
    ) -> DeliveryPage:
        """Return deliveries to an endpoint, the newest first; of one state, or of any."""


class WebhookSender(Protocol):
    def send(self, url: str, message: str, body: str, secrets: Sequence[str], now: datetime) -> WebhookAnswer:
        """Send a signed request to an address of the Internet; what fails is an answer, too.

        Args:
            secrets: each of them signs.
            now: the time that the signature has.
        """


class WebPictures(Protocol):
    """Pictures of the Web."""

    def fetch(self, url: PictureUrl) -> WebPicture:
        """Return the picture of a URL, from an address of the Internet alone, after a few redirects at most.

        Raises:
            UnreadableUrl: it leads to another address, or its server does not give a whole picture in time.
            UnsupportedMediaType: what it gives is no picture.
            PayloadTooLarge: that has more than ``UPLOAD_LIMIT`` bytes.
        """


class IdentityProvider(Protocol):
    """Signs people in on pages of its own (OpenID Connect). Each method raises NotFound where there is no sign-in."""

    def authorization_url(self, attempt: SignInAttempt, redirect_uri: str) -> str:
        """Return the page that the browser is sent to, and that sends it back to ``redirect_uri``."""

    def exchange(self, code: str, attempt: SignInAttempt, redirect_uri: str) -> Identity:
        """Return who has signed in.

        Raises:
            SignInFailed: the code is not good, or belongs to another attempt.
            IdentityProviderUnavailable: no answer, or not one to a request as it should be.
        """

    def sign_out_url(self, return_to: str) -> str:
        """Return the page that ends the browser's session with the provider, and then sends it to ``return_to``."""


class RateBuckets(Protocol):
    """A bucket of requests for each token and limit, which all processes share."""

    def take(self, account: str, token: str, limit: RateLimit, now: int) -> Taking:
        """Take a chunk of requests, or nothing where the bucket has less than one.

        Args:
            token: its id.
            now: microseconds since 1970.
        """


class Calibrations(Protocol):
    """The statistics of accounts' own pictures, by model version. A read may lag behind by seconds."""

    def read(self, account: str, model: str) -> Calibration | None: ...
    def write(self, account: str, calibration: Calibration, now: datetime) -> None:
        """Replace the account's calibration of that model version; raises NotFound if the account is deleted."""

    def attempt(self, account: str, model: str) -> CalibrationAttempt | None:
        """Return the latest attempt to calibrate the account under the model version."""

    def write_attempt(self, account: str, model: str, attempt: CalibrationAttempt) -> None:
        """Replace that attempt; raises NotFound if the account is deleted."""


class VectorStore(Protocol):
    """A projection of the catalogue that finds nearest neighbours.

    Every method raises ``StoreUnavailable`` when the store cannot be reached. The next search of any process sees a
    write that has returned.
    """

    def upsert(self, documents: Sequence[VectorDocument]) -> None: ...

    def remove(self, removals: Sequence[VectorRemoval]) -> None: ...

    def remove_collection(self, account: str, collection: str) -> None: ...

    def search(self, query: VectorQuery) -> list[Hit]: ...

    def vectors(self, model: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Returns versions and vectors of those files that have a vector of this model version."""

    def find_files(self, query: FileQuery) -> list[FoundFile]:
        """Returns the page of files that a query finds by their facts or names, in its order."""

    def search_and_count(self, query: VectorQuery) -> CountedHits:
        """As ``search``, with the number of documents that are searched.

        A store that appends counts superseded documents too, until they are deleted.
        """

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

    def collections(self) -> set[tuple[str, str]]:
        """Account and identifier of every collection that the store has documents of."""

    def dimension(self, model: str) -> int | None:
        """The dimension of a model's vectors; None if the store has never had any."""

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
    """Every port: ``adapters.factory`` provides them on AWS, the tests in memory."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def users(self) -> Users: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def quota_ledger(self) -> QuotaLedger: ...
    @property
    def idempotent_answers(self) -> IdempotentAnswers: ...
    @property
    def web_pictures(self) -> WebPictures: ...
    @property
    def webhook_registry(self) -> WebhookRegistry: ...
    @property
    def webhook_deliveries(self) -> WebhookDeliveries: ...
    @property
    def webhook_sender(self) -> WebhookSender: ...
    @property
    def search_uploads(self) -> SearchUploads: ...
    @property
    def identity_provider(self) -> IdentityProvider: ...
    @property
    def rate_buckets(self) -> RateBuckets: ...
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
    def signing_keys(self) -> SigningKeyStore: ...
    @property
    def calibrations(self) -> Calibrations: ...
    @property
    def duplicates(self) -> Duplicates: ...
    @property
    def access_checker(self) -> BucketAccessChecker: ...
    @property
    def storage(self) -> ManagedStorage: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def failure_log(self) -> FailureLog: ...
    @property
    def embedding_stash(self) -> EmbeddingStash: ...
    @property
    def embedder(self) -> Embedder: ...
    @property
    def vectors(self) -> MaintainedVectorStore: ...
