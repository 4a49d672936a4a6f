"""Ports of accounts: their records, the names of their collections, what of a plan is used."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.accounts import Account, AccountItem, Subscription, Token
from chalicelib.domain.collections import Collection
from chalicelib.domain.plans import Plan
from chalicelib.domain.storage_servers import ETagMeaning
from chalicelib.domain.uploads import FileClaim, FileLock, Upload, UploadPage, UploadRef, Usage


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
        """Write ``name``, ``role_arn``, ``server``, ``auto_sync_interval``, ``auto_sync_at``, ``include``, ``exclude``.

        Raises:
            NotFound: the collection is deleted.
        """

    def save_etags(self, collection: Collection, etags: ETagMeaning) -> None:
        """Store what the ETags of the collection's server mean.

        Raises:
            StaleWrite: the collection has another access key since, or is deleted.
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

    def refund_files(self, locks: Sequence[FileLock]) -> None:
        """As ``refund_file`` for files of one account, 50 at most: all of them, or none if a lock is lost."""

    def move_charge(self, source: FileLock, target: FileLock) -> None:
        """Charge what the source's file is charged for to the target, in one step, and unlock the target.

        Raises:
            Unavailable: a lock is lost.
        """

    def fix_usage(self, account: str, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        """Replace an account's files and bytes by the counted ones; False if they are no longer the stated ones."""

    def delete_page(self, account: str, collection: str, now: datetime) -> bool:
        """Delete some uploads of a deleted collection and release their quota; False if none were left."""
