"""What every count of allowances must hold: one suite, run on the fake and on the emulator's DynamoDB."""

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
from chalicelib.domain.uploads import INLINE_STAGING, Upload, UploadState, Usage
from chalicelib.services.ports import QuotaLedger
from tests.contract.tables import make_table
from tests.factories import NOW
from tests.fakes.quota_ledger import FakeQuotaLedger

UNTIL = NOW + timedelta(minutes=3)
PLENTY = PLANS["pro"].with_limits({"files": 1000, "bytes": 10**9, "managed_bytes": 10**9, "uploads_a_month": 1000})


def an_upload(**fields: Any) -> Upload:
    wanted: dict[str, Any] = {
        "id": str(uuid4()),
        "account": str(uuid4()),
        "collection": str(uuid4()),
        "key": "objects/a/b/picture ü.jpg",
        "size": 100,
        "folder": INLINE_STAGING,
        "month": "2026-03",
        "created_at": NOW,
        "expires_at": NOW + timedelta(minutes=10),
    }
    return Upload(**(wanted | fields))


class AllowancesContract:
    @pytest.fixture
    def store(self) -> QuotaLedger:
        raise NotImplementedError

    def settle(self, store: QuotaLedger, upload: Upload) -> None:
        claim = store.lock(upload.ref, upload.key, "me", NOW, UNTIL)
        assert claim is not None
        store.complete(upload, claim, "image/jpeg", NOW)

    def test_an_upload_comes_back_as_it_was_reserved(self, store: QuotaLedger):
        upload = an_upload(only_new=True)
        assert store.reserve(upload, PLENTY)
        assert store.upload(upload.ref) == upload
        assert store.upload(replace(upload.ref, account=str(uuid4()))) is None

    def test_a_reservation_counts_until_it_is_given_back_once(self, store: QuotaLedger):
        upload = an_upload()
        assert store.usage(upload.account, upload.month) == Usage()
        store.reserve(upload, PLENTY)
        assert store.usage(upload.account, upload.month) == Usage(0, 1, 100, 1, 1, 100)
        assert store.usage(upload.account, "2026-04") == Usage(0, 1, 100, 0, 1, 100)
        assert store.refund(upload, "not_an_image", "It is none.", NOW)
        assert not store.refund(upload, "not_an_image", "It is none.", NOW)
        assert store.usage(upload.account, upload.month) == Usage()
        ended = store.upload(upload.ref)
        assert ended is not None
        assert (ended.state, ended.reason, ended.detail) == (UploadState.FAILED, "not_an_image", "It is none.")

    @pytest.mark.parametrize("short", [{"files": 1}, {"bytes": 199}, {"managed_bytes": 199}, {"uploads_a_month": 1}])
    def test_what_is_over_any_allowance_is_not_reserved(self, store: QuotaLedger, short: dict[str, int]):
        first = an_upload()
        assert store.reserve(first, PLENTY.with_limits(short))
        second = an_upload(account=first.account)
        assert not store.reserve(second, PLENTY.with_limits(short))
        assert store.upload(second.ref) is None
        assert store.usage(first.account, first.month) == Usage(0, 1, 100, 1, 1, 100)

    @pytest.mark.parametrize("none", [{"files": 0}, {"bytes": 0}, {"managed_bytes": 0}, {"uploads_a_month": 0}])
    def test_of_an_allowance_of_nothing_nothing_is_reserved(self, store: QuotaLedger, none: dict[str, int]):
        assert not store.reserve(an_upload(), PLENTY.with_limits(none))

    def test_what_is_settled_stays_counted_and_its_upload_is_done(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        self.settle(store, upload)
        assert store.usage(upload.account, upload.month) == Usage(0, 1, 100, 1, 1, 100)
        done = store.upload(upload.ref)
        assert done is not None
        assert (done.state, done.mime_type) == (UploadState.DONE, "image/jpeg")
        assert not store.refund(upload, "late", "Too late.", NOW)

    def test_a_new_version_takes_the_place_of_the_old_ones_share(self, store: QuotaLedger):
        first = an_upload()
        second = replace(an_upload(size=30), account=first.account, collection=first.collection)
        for upload in (first, second):
            store.reserve(upload, PLENTY)
            self.settle(store, upload)
        assert store.usage(first.account, first.month) == Usage(0, 1, 30, 2, 1, 30)

    def test_a_file_is_claimed_by_one_at_a_time(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        mine = store.lock(upload.ref, upload.key, "me", NOW, UNTIL)
        assert mine is not None
        assert mine.charged is None
        assert store.lock(upload.ref, upload.key, "another", NOW, UNTIL) is None
        store.unlock(mine)
        theirs = store.lock(upload.ref, upload.key, "another", NOW, UNTIL)
        assert theirs is not None
        with pytest.raises(Unavailable):
            store.complete(upload, mine, "image/jpeg", NOW)
        store.unlock(mine)
        store.complete(upload, theirs, "image/jpeg", NOW)

    def test_a_claim_that_ran_out_is_taken_over(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        mine = store.lock(upload.ref, upload.key, "me", NOW, UNTIL)
        assert mine is not None
        later = UNTIL + timedelta(seconds=1)
        assert store.lock(upload.ref, upload.key, "another", later, later + timedelta(minutes=3)) is not None
        with pytest.raises(Unavailable):
            store.complete(upload, mine, "image/jpeg", later)

    def test_a_file_that_is_discharged_gives_its_share_back(self, store: QuotaLedger):
        upload = an_upload()
        store.reserve(upload, PLENTY)
        self.settle(store, upload)
        claim = store.lock(upload.ref, upload.key, "me", NOW, UNTIL)
        assert claim is not None
        assert claim.charged == 100
        store.refund_file(claim)
        assert store.usage(upload.account, upload.month) == Usage(0, 0, 0, 1)
        with pytest.raises(Unavailable):
            store.refund_file(claim)

    def test_what_an_account_states_is_corrected_unless_it_has_moved(self, store: QuotaLedger):
        upload = an_upload()
        assert store.fix_usage(upload.account, (0, 0), (5, 500))
        assert not store.fix_usage(upload.account, (0, 0), (1, 1))
        store.reserve(upload, PLENTY)
        assert not store.fix_usage(upload.account, (5, 500), (1, 1))
        assert store.fix_usage(upload.account, (6, 600), (1, 100))
        assert store.usage(upload.account, upload.month) == Usage(0, 1, 100, 1, 1, 100)

    def test_uploads_whose_time_is_over_are_found_until_they_end(self, store: QuotaLedger):
        late, later = an_upload(), an_upload(expires_at=NOW + timedelta(days=1))
        later = replace(later, account=late.account)
        for upload in (late, later):
            store.reserve(upload, PLENTY)
        at = late.expires_at + timedelta(seconds=1)
        assert store.expired(late.account, NOW) == []
        assert store.expired(late.account, at) == [late]
        store.refund(late, "expired", "It has expired.", at)
        assert store.expired(late.account, at) == []

    def test_a_collection_that_is_cleared_gives_everything_back(self, store: QuotaLedger):
        account, collection = str(uuid4()), str(uuid4())
        uploads = [an_upload(account=account, collection=collection, key=f"objects/{n}.jpg") for n in range(40)]
        other = an_upload(account=account)
        for upload in [*uploads, other]:
            assert store.reserve(upload, PLENTY)
        for upload in [*uploads[:30], other]:
            self.settle(store, upload)
        pages = 0
        while store.delete_page(account, collection, NOW):
            pages += 1
        assert pages
        assert store.usage(account, other.month) == Usage(0, 1, 100, 31, 1, 100)
        assert all(store.upload(upload.ref) is None for upload in uploads)


class TestFakeAllowances(AllowancesContract):
    @pytest.fixture
    def store(self) -> FakeQuotaLedger:
        return FakeQuotaLedger()


class TestDynamoDBAllowances(AllowancesContract):
    @pytest.fixture
    def store(self, aws: Callable[..., Any]) -> DynamoDBQuotaLedger:
        return DynamoDBQuotaLedger(aws("dynamodb"), make_table(aws("dynamodb"), "AccountsTable"))

    def test_of_a_hundred_reservations_at_once_just_as_many_succeed_as_are_allowed(self, store: DynamoDBQuotaLedger):
        account = str(uuid4())
        uploads = [an_upload(account=account) for _ in range(100)]

        def reserve(upload: Upload) -> bool:
            while True:
                try:
                    return store.reserve(upload, PLENTY.with_limits({"uploads_a_month": 60}))
                except Unavailable:
                    continue  # what the API answers 503, and a caller asks again

        with ThreadPoolExecutor(32) as pool:
            succeeded = list(pool.map(reserve, uploads))
        assert sum(succeeded) == 60
        assert store.usage(account, "2026-03") == Usage(0, 60, 6000, 60, 60, 6000)
