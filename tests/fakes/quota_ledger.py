"""The quota ledger in memory: uploads, and the usage of accounts that they reserve."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.plans import Plan
from chalicelib.domain.uploads import FileClaim, FileLock, Upload, UploadPage, UploadRef, UploadState, Usage


@dataclass
class Counts:
    """An account's usage: ``files`` and ``bytes`` of managed collections, ``all_files`` and ``all_bytes`` of all."""

    collections: int = 0
    files: int = 0
    bytes: int = 0
    all_files: int = 0
    all_bytes: int = 0
    uploads: Counter[str] = field(default_factory=Counter)


class FakeQuotaLedger:
    """Tests may inspect ``counts`` by account, ``uploads``, and ``charged``, the bytes counted for each stored file."""

    def __init__(self) -> None:
        self.counts: dict[str, Counts] = {}
        self.uploads: dict[UploadRef, Upload] = {}
        self.charged: dict[tuple[str, str, str], int] = {}
        self.md5s: dict[tuple[str, str, str], str] = {}
        self.locks: dict[tuple[str, str, str], tuple[str, datetime, str | None]] = {}

    def usage(self, account: str, month: str) -> Usage:
        counts = self._of(account)
        return Usage(
            counts.collections,
            counts.files,
            counts.bytes,
            counts.uploads[month],
            counts.all_files,
            counts.all_bytes,
        )

    def reserve(self, upload: Upload, plan: Plan) -> bool:
        counts = self._of(upload.account)
        if counts.all_files >= plan.files or counts.all_bytes + upload.size > plan.bytes:
            return False
        if counts.bytes + upload.size > plan.managed_bytes or counts.uploads[upload.month] >= plan.uploads_a_month:
            return False
        self._count(upload, 1)
        self.uploads[upload.ref] = upload
        return True

    def upload(self, ref: UploadRef) -> Upload | None:
        return self.uploads.get(ref)

    def pending_uploads(
        self, account: str, collection: str, folder: str, *, after: str | None, limit: int
    ) -> UploadPage:
        found = sorted(
            (
                upload
                for upload in self.uploads.values()
                if (upload.account, upload.collection, upload.folder) == (account, collection, folder)
                and upload.state is UploadState.PENDING
                and upload.id > (after or "")
            ),
            key=lambda upload: upload.id,
        )
        page = found[:limit]
        return UploadPage(page, page[-1].id if len(found) > limit else None)

    def refund(self, upload: Upload, reason: str, detail: str, now: datetime) -> bool:
        stored = self.uploads.get(upload.ref)
        if stored is None or stored.state is not UploadState.PENDING:
            return False
        self.uploads[upload.ref] = replace(stored, state=UploadState.FAILED, reason=reason, detail=detail)
        self._count(stored, -1)
        return True

    def claims(self, account: str, collection: str, keys: Sequence[str], now: datetime) -> Mapping[str, FileClaim]:
        claims = {}
        for key in keys:
            file = (account, collection, key)
            _, until, md5 = self.locks.get(file, ("", now - timedelta(1), None))
            if file in self.charged or file in self.locks:
                locked_md5 = md5 if until >= now else None
                claims[key] = FileClaim(self.charged.get(file), self.md5s.get(file), until >= now, locked_md5)
        return claims

    def lock(
        self, upload: UploadRef, key: str, holder: str, now: datetime, until: datetime, md5: str | None = None
    ) -> FileLock | None:
        file = (upload.account, upload.collection, key)
        if file in self.locks and self.locks[file][1] >= now:
            return None
        self.locks[file] = holder, until, md5
        return FileLock(*file, holder, self.charged.get(file), self.md5s.get(file))

    def unlock(self, lock: FileLock) -> None:
        if self._holds(lock):
            del self.locks[lock.account, lock.collection, lock.key]

    def set_target(self, upload: Upload) -> None:
        stored = self.uploads.get(upload.ref)
        if stored is None or stored.state is not UploadState.PENDING:
            raise Unavailable("The file is being changed by another request.")
        self.uploads[upload.ref] = replace(stored, moved_to=upload.target)

    def complete(self, upload: Upload, lock: FileLock, md5: str, now: datetime) -> None:
        self._end(upload, lock)
        self._refund(lock)
        self.charged[lock.account, lock.collection, lock.key] = upload.size
        self.md5s[lock.account, lock.collection, lock.key] = md5
        self.unlock(lock)

    def complete_duplicate(self, upload: Upload, lock: FileLock, now: datetime) -> None:
        self._end(upload, lock)
        self._count(upload, -1)
        self.unlock(lock)

    def _end(self, upload: Upload, lock: FileLock) -> None:
        stored = self.uploads.get(upload.ref)
        if stored is None or stored.state is not UploadState.PENDING or not self._holds(lock):
            raise Unavailable("The file is being changed by another request.")
        self.uploads[upload.ref] = replace(upload, state=UploadState.DONE, moved_to=upload.target)

    def refund_file(self, lock: FileLock) -> None:
        self.refund_files([lock])

    def refund_files(self, locks: Sequence[FileLock]) -> None:
        if not all(map(self._holds, locks)):
            raise Unavailable("The file is being changed by another request.")
        for lock in locks:
            self._refund(lock)
            self.charged.pop((lock.account, lock.collection, lock.key), None)
            self.md5s.pop((lock.account, lock.collection, lock.key), None)
            self.unlock(lock)

    def move_charge(self, source: FileLock, target: FileLock) -> None:
        if not self._holds(source) or not self._holds(target):
            raise Unavailable("The file is being changed by another request.")
        size = self.charged.pop((source.account, source.collection, source.key))
        self.charged[target.account, target.collection, target.key] = size
        md5 = self.md5s.pop((source.account, source.collection, source.key), "")
        self.md5s[target.account, target.collection, target.key] = md5
        self.unlock(target)

    def fix_usage(self, account: str, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        counts = self._of(account)
        if (counts.all_files, counts.all_bytes) != stated:
            return False
        counts.all_files, counts.all_bytes = counted
        return True

    def count_collections(self, account: str, change: int) -> None:
        """Change the number of collections, as the fake of the registry does."""
        self._of(account).collections += change

    def move(self, account: str, files: int, size: int) -> None:
        """Change the usage of all collections, as the fakes of the catalogue and of the registry do."""
        counts = self._of(account)
        counts.all_files += files
        counts.all_bytes += size

    def delete_page(self, account: str, collection: str, now: datetime) -> bool:
        uploads = [u for u in self.uploads.values() if (u.account, u.collection) == (account, collection)]
        for upload in uploads:
            self.refund(upload, "collection_deleted", "Its collection was deleted.", now)
            del self.uploads[upload.ref]
        files = [file for file in {*self.charged, *self.locks} if file[:2] == (account, collection)]
        for file in files:
            self._refund(FileLock(*file, "", self.charged.pop(file, None)))
            self.locks.pop(file, None)
        return bool(uploads or files)

    def _of(self, account: str) -> Counts:
        return self.counts.setdefault(account, Counts())

    def _count(self, upload: Upload, sign: int) -> None:
        counts = self._of(upload.account)
        counts.files += sign
        counts.bytes += sign * upload.size
        self.move(upload.account, sign, sign * upload.size)
        counts.uploads[upload.month] += sign

    def _refund(self, lock: FileLock) -> None:
        if lock.charged is not None:
            counts = self._of(lock.account)
            counts.files -= 1
            counts.bytes -= lock.charged
            self.move(lock.account, -1, -lock.charged)

    def _holds(self, lock: FileLock) -> bool:
        return self.locks.get((lock.account, lock.collection, lock.key), ("",))[0] == lock.holder
