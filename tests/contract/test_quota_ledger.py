"""The contract of every quota ledger: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.plans import PLANS
from chalicelib.domain.uploads import INLINE_STAGING, PRESIGNED_STAGING, FileClaim, NameRule, Upload, UploadState, Usage
from chalicelib.services.ports import QuotaLedger
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.quota_ledger import FakeQuotaLedger

LOCK_EXPIRY = NOW + timedelta(minutes=3)
MD5, OTHER_MD5 = "653b6e02f13241e943e0889f0165d627", "46f899a580163352cd361dd2aa7bcc37"
PLENTY = PLANS["pro"].with_limits({"files": 1000, "bytes": 10**9, "managed_bytes": 10**9, "uploads_a_month": 1000})


def an_upload(**fields: Any) -> Upload:
    defaults: dict[str, Any] = {
        "id": str(uuid4()),
        "account": str(uuid4()),
        "collection": str(uuid4()),
        "key": "objects/a/b/picture ü.jpg",
        "size": 100,
        "folder": INLINE_STAGING,
        "month": "2026-03",
        "created_at": NOW,
        "expires_at": NOW + timedelta(minutes=10),
        "metadata": {"product_id": "A1", "price": 12.5, "tag": ("x", "ÿ")},
    }
    return Upload(**(defaults | fields))


def done(upload: Upload, **fields: Any) -> Upload:
    return replace(upload, state=UploadState.DONE, mime_type="image/jpeg", **fields)


class QuotaLedgerContract:
    @pytest.fixture
    def store(self) -> QuotaLedger:
        raise NotImplementedError

    def complete(self, store: QuotaLedger, upload: Upload) -> None:
        lock = store.lock(upload.ref, upload.key, "me", NOW, LOCK_EXPIRY)
        assert lock is not None
        store.complete(done(upload), lock, MD5, NOW)

    def test_a_reserved_upload_is_returned_unchanged(self, store: QuotaLedger):
        upload = an_upload(rule=NameRule.REFUSE)
        assert store.reserve(upload, PLENTY)
        assert store.upload(upload.ref) == upload
        assert store.upload(replace(upload.ref, account=str(uuid4()))) is None

    def test_a_reservation_counts_until_its_only_refund(self, store: QuotaLedger):
        upload = an_upload()
        assert store.usage(upload.account, upload.month) == Usage()
        store.reserve(upload, PLENTY)
        assert store.usage(upload.account, upload.month) == Usage(0, 1, 100, 1, 1, 100)
        assert store.usage(upload.account, "2026-04") == Usage(0, 1, 100, 0, 1, 100)
        assert store.refund(upload, "not_an_image", "It is not an image.", NOW)
        assert not store.refund(upload, "not_an_image", "It is not an image.", NOW)
        assert store.usage(upload.account, upload.month) == Usage()
        ended = store.upload(upload.ref)
        assert ended is not None
        assert (ended.state, ended.reason, ended.detail) == (UploadState.FAILED, "not_an_image", "It is not an image.")

    def test_pending_uploads_of_a_collection_and_folder_are_listed_page_by_page(self, store: QuotaLedger):
        first = an_upload(folder=PRESIGNED_STAGING)
        mine = {"account": first.account, "collection": first.collection}
        uploads = [first, *(an_upload(**mine, folder=PRESIGNED_STAGING) for _ in range(6))]
        for upload in [*uploads, an_upload(**mine), an_upload(account=first.account, folder=PRESIGNED_STAGING)]:
            assert store.reserve(upload, PLENTY)
        store.refund(uploads.pop(), "expired", "Too late.", NOW)
        self.complete(store, uploads.pop())
        listed, after = [], None
        while True:
            page = store.pending_uploads(*mine.values(), PRESIGNED_STAGING, after=after, limit=2)
            assert len(page.uploads) <= 2
            listed += page.uploads
            if (after := page.after) is None:
                break
        assert listed == sorted(uploads, key=lambda upload: upload.id)
        assert store.pending_uploads(first.account, str(uuid4()), PRESIGNED_STAGING, after=None, limit=2).uploads == []

    @pytest.mark.parametrize("limit", [{"files": 1}, {"bytes": 199}, {"managed_bytes": 199}, {"uploads_a_month": 1}])
    def test_an_upload_over_any_limit_is_not_reserved(self, store: QuotaLedger, limit: dict[str, int]):
        first = an_upload()
        assert store.reserve(first, PLENTY.with_limits(limit))
        second = an_upload(account=first.account)
        assert not store.reserve(second, PLENTY.with_limits(limit))
        assert store.upload(second.ref) is None
        assert store.usage(first.account, first.month) == Usage(0, 1, 100, 1, 1, 100)

    @pytest.mark.parametrize("limit", [{"files": 0}, {"bytes": 0}, {"managed_bytes": 0}, {"uploads_a_month": 0}])
    def test_a_limit_of_zero_allows_not_even_the_first_upload(self, store: QuotaLedger, limit: dict[str, int]):
        assert not store.reserve(an_upload(), PLENTY.with_limits(limit))

    def test_a_completed_upload_stays_counted_and_cannot_be_refunded(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        self.complete(store, upload)
        assert store.usage(upload.account, upload.month) == Usage(0, 1, 100, 1, 1, 100)
        assert store.upload(upload.ref) == done(upload, moved_to=upload.key)
        assert not store.refund(upload, "late", "Too late.", NOW)

    def test_a_new_version_of_a_file_counts_instead_of_the_old_one(self, store: QuotaLedger):
        first = an_upload()
        second = replace(an_upload(size=30), account=first.account, collection=first.collection)
        for upload in (first, second):
            store.reserve(upload, PLENTY)
            self.complete(store, upload)
        assert store.usage(first.account, first.month) == Usage(0, 1, 30, 2, 1, 30)

    def test_a_file_has_one_lock_at_a_time(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        mine = store.lock(upload.ref, upload.key, "me", NOW, LOCK_EXPIRY)
        assert mine is not None
        assert mine.charged is None
        assert store.lock(upload.ref, upload.key, "another", NOW, LOCK_EXPIRY) is None
        store.unlock(mine)
        theirs = store.lock(upload.ref, upload.key, "another", NOW, LOCK_EXPIRY)
        assert theirs is not None
        with pytest.raises(Unavailable):
            store.complete(done(upload), mine, MD5, NOW)
        store.unlock(mine)
        store.complete(done(upload), theirs, MD5, NOW)

    def test_an_expired_lock_is_lost_to_the_next_owner(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        mine = store.lock(upload.ref, upload.key, "me", NOW, LOCK_EXPIRY)
        assert mine is not None
        later = LOCK_EXPIRY + timedelta(seconds=1)
        assert store.lock(upload.ref, upload.key, "another", later, later + timedelta(minutes=3)) is not None
        with pytest.raises(Unavailable):
            store.complete(done(upload), mine, MD5, later)

    def test_claims_tell_what_is_charged_and_which_picture_is_being_stored(self, store: QuotaLedger):
        upload = an_upload(md5=MD5)
        other, third = f"{upload.key} other", f"{upload.key} third"
        assert store.reserve(upload, PLENTY)
        self.complete(store, upload)
        store.lock(upload.ref, upload.key, "me", NOW, LOCK_EXPIRY, OTHER_MD5)
        store.lock(upload.ref, other, "me", NOW, LOCK_EXPIRY)
        keys = [upload.key, other, third]
        assert store.claims(upload.account, upload.collection, keys, NOW) == {
            upload.key: FileClaim(100, MD5, True, OTHER_MD5),
            other: FileClaim(None, None, True, None),
        }
        later = LOCK_EXPIRY + timedelta(seconds=1)
        claims = store.claims(upload.account, upload.collection, keys, later)
        assert claims[upload.key] == FileClaim(100, MD5, False, None)
        assert claims[other].is_free
        again = store.lock(upload.ref, upload.key, "another", later, later + timedelta(minutes=3))
        assert again is not None
        assert (again.charged, again.md5) == (100, MD5)
        assert store.claims(upload.account, upload.collection, keys, later)[upload.key].locked_md5 is None

    def test_claims_are_read_of_as_many_keys_as_a_name_has(self, store: QuotaLedger):
        upload = an_upload()
        keys = [f"{upload.key} {number}" for number in range(100)]
        store.lock(upload.ref, keys[57], "me", NOW, LOCK_EXPIRY, MD5)
        assert list(store.claims(upload.account, upload.collection, keys, NOW)) == [keys[57]]

    def test_the_target_of_a_pending_upload_is_set(self, store: QuotaLedger):
        upload = an_upload()
        assert store.reserve(upload, PLENTY)
        moved = replace(upload, moved_to="objects/a/b/picture ü (1).jpg")
        store.set_target(moved)
        assert store.upload(upload.ref) == moved
        store.refund(upload, "expired", "Too late.", NOW)
        with pytest.raises(Unavailable):
            store.set_target(replace(upload, moved_to="elsewhere"))

    def test_a_duplicate_is_done_and_counts_for_nothing(self, store: QuotaLedger):
        first = an_upload()
        second = replace(an_upload(size=30), account=first.account, collection=first.collection)
        assert store.reserve(first, PLENTY)
        assert store.reserve(second, PLENTY)
        self.complete(store, first)
        lock = store.lock(second.ref, first.key, "me", NOW, LOCK_EXPIRY, MD5)
        assert lock is not None
        duplicate = done(second, moved_to=first.key, is_duplicate=True)
        store.complete_duplicate(duplicate, lock, NOW)
        assert store.upload(second.ref) == duplicate
        assert store.usage(first.account, first.month) == Usage(0, 1, 100, 1, 1, 100)
        assert not store.refund(second, "late", "Too late.", NOW)
        with pytest.raises(Unavailable):
            store.complete_duplicate(duplicate, lock, NOW)
        assert store.lock(second.ref, first.key, "another", NOW, LOCK_EXPIRY) is not None

    def test_a_deleted_file_is_refunded_once(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        self.complete(store, upload)
        lock = store.lock(upload.ref, upload.key, "me", NOW, LOCK_EXPIRY)
        assert lock is not None
        assert lock.charged == 100
        store.refund_file(lock)
        assert store.usage(upload.account, upload.month) == Usage(0, 0, 0, 1)
        with pytest.raises(Unavailable):
            store.refund_file(lock)

    def test_deleted_files_are_refunded_together_or_not_at_all(self, store: QuotaLedger):
        first = an_upload()
        uploads = [first, *(replace(first, id=str(uuid4()), key=f"{first.key} {number}") for number in range(2))]
        locks = []
        for upload in uploads:
            store.reserve(upload, PLENTY)
            self.complete(store, upload)
            lock = store.lock(upload.ref, upload.key, "me", NOW, LOCK_EXPIRY)
            assert lock is not None
            locks.append(lock)
        uncharged = store.lock(first.ref, f"{first.key} new", "me", NOW, LOCK_EXPIRY)
        assert uncharged is not None
        with pytest.raises(Unavailable):
            store.refund_files([*locks, replace(uncharged, holder="another")])
        assert store.usage(first.account, first.month) == Usage(0, 3, 300, 3, 3, 300)
        store.refund_files([*locks, uncharged])
        assert store.usage(first.account, first.month) == Usage(0, 0, 0, 3)
        assert store.lock(first.ref, first.key, "another", NOW, LOCK_EXPIRY) is not None, "it is unlocked"

    def test_a_charge_moves_to_another_name_in_one_step_and_counts_once(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        self.complete(store, upload)
        source = store.lock(upload.ref, upload.key, "me", NOW, LOCK_EXPIRY)
        target = store.lock(upload.ref, f"{upload.key} 2", "me too", NOW, LOCK_EXPIRY)
        assert source is not None and target is not None
        store.move_charge(source, target)
        assert store.usage(upload.account, upload.month) == Usage(0, 1, 100, 1, 1, 100)
        with pytest.raises(Unavailable):
            store.move_charge(source, target)
        assert store.lock(upload.ref, upload.key, "another", NOW, LOCK_EXPIRY) is None, "the source stays locked"
        store.unlock(replace(source, charged=None))
        free = store.lock(upload.ref, source.key, "another", NOW, LOCK_EXPIRY)
        charged = store.lock(upload.ref, target.key, "another", NOW, LOCK_EXPIRY)
        assert free is not None and charged is not None
        assert (free.charged, free.md5) == (None, None)
        assert (charged.charged, charged.md5) == (100, MD5)
        store.refund_file(charged)
        assert store.usage(upload.account, upload.month) == Usage(0, 0, 0, 1)

    @pytest.mark.parametrize("lost", ["source", "target"])
    def test_a_charge_stays_where_it_is_if_a_lock_is_lost(self, store: QuotaLedger, lost: str):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        self.complete(store, upload)
        keys = {"source": upload.key, "target": f"{upload.key} 2"}
        locks = {name: store.lock(upload.ref, key, "me", NOW, LOCK_EXPIRY) for name, key in keys.items()}
        later = LOCK_EXPIRY + timedelta(seconds=1)
        assert store.lock(upload.ref, keys[lost], "another", later, later + timedelta(minutes=3)) is not None
        source, target = locks["source"], locks["target"]
        assert source is not None and target is not None
        with pytest.raises(Unavailable):
            store.move_charge(source, target)
        much_later = later + timedelta(hours=1)
        charged = [store.lock(upload.ref, key, "a third", much_later, much_later) for key in keys.values()]
        assert [lock.charged if lock else lock for lock in charged] == [100, None]

    def test_the_usage_of_an_account_is_fixed_unless_it_has_changed(self, store: QuotaLedger):
        upload = an_upload()
        assert store.fix_usage(upload.account, (0, 0), (5, 500))
        assert not store.fix_usage(upload.account, (0, 0), (1, 1))
        store.reserve(upload, PLENTY)
        assert not store.fix_usage(upload.account, (5, 500), (1, 1))
        assert store.fix_usage(upload.account, (6, 600), (1, 100))
        assert store.usage(upload.account, upload.month) == Usage(0, 1, 100, 1, 1, 100)

    def test_deleting_a_collection_refunds_all_its_uploads_and_files(self, store: QuotaLedger):
        account, collection = str(uuid4()), str(uuid4())
        uploads = [an_upload(account=account, collection=collection, key=f"objects/{n}.jpg") for n in range(40)]
        other = an_upload(account=account)
        for upload in [*uploads, other]:
            assert store.reserve(upload, PLENTY)
        for upload in [*uploads[:30], other]:
            self.complete(store, upload)
        pages = 0
        while store.delete_page(account, collection, NOW):
            pages += 1
        assert pages
        assert store.usage(account, other.month) == Usage(0, 1, 100, 31, 1, 100)
        assert all(store.upload(upload.ref) is None for upload in uploads)


class TestFake(QuotaLedgerContract):
    @pytest.fixture
    def store(self) -> FakeQuotaLedger:
        return FakeQuotaLedger()


class TestDynamoDBOnTheEmulator(QuotaLedgerContract):
    @pytest.fixture
    def store(self, aws: Callable[..., Any]) -> DynamoDBQuotaLedger:
        return DynamoDBQuotaLedger(aws("dynamodb"), make_table(aws("dynamodb"), "AccountsTable"))

    def test_of_a_hundred_parallel_reservations_exactly_the_allowed_number_succeed(self, store: DynamoDBQuotaLedger):
        account = str(uuid4())
        uploads = [an_upload(account=account) for _ in range(100)]

        def reserve(upload: Upload) -> bool:
            while True:
                try:
                    return store.reserve(upload, PLENTY.with_limits({"uploads_a_month": 60}))
                except Unavailable:
                    continue  # the API returns 503, and callers repeat the request

        with ThreadPoolExecutor(32) as pool:
            reserved = list(pool.map(reserve, uploads))
        assert sum(reserved) == 60
        assert store.usage(account, "2026-03") == Usage(0, 60, 6000, 60, 60, 6000)
