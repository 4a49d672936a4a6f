"""What every register of collections must hold: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.adapters.dynamodb.registry import DynamoDBRegistry
from chalicelib.domain.collections import AutoSync, Collection, CollectionType
from chalicelib.domain.errors import DuplicateCollection, NotFound, QuotaExceeded
from tests.contract.tables import make_table
from tests.factories import NOW, a_collection
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger
from tests.fakes.registry import FakeRegistry


class RegisterContract:
    @pytest.fixture
    def stores(self) -> Any:
        """A register, the collections that it writes to, and the allowances of their accounts."""
        raise NotImplementedError

    @pytest.fixture
    def register(self, stores: Any) -> Any:
        return stores[0]

    @pytest.fixture
    def collections(self, stores: Any) -> Any:
        return stores[1]

    @pytest.fixture
    def allowances(self, stores: Any) -> Any:
        return stores[2]

    @pytest.fixture
    def collection(self, register: Any) -> Collection:
        made = a_collection(auto_sync=AutoSync.DAILY)
        register.add(made, 3)
        return made

    def test_what_is_added_is_there(self, collections: Any, collection: Collection):
        assert collections.get(collection.account, collection.uuid) == collection

    def test_an_external_id_is_the_accounts_own_for_a_folder_and_stays(self, register: Any):
        account, bucket = str(uuid4()), f"bucket-{uuid4().hex}"
        first = register.external_id(account, bucket, "a/")
        assert register.external_id(account, bucket, "a/") == first
        others = [(account, bucket, ""), (account, bucket, "b/"), (str(uuid4()), bucket, "a/")]
        assert first not in [register.external_id(*other) for other in others]
        made = a_collection(account=account, bucket=bucket, prefix="a/")
        register.add(made, 1)
        register.begin_deletion(made, NOW)
        assert register.external_id(account, bucket, "a/") == first

    def test_no_more_are_added_than_the_plan_allows(self, register: Any, collections: Any):
        account = str(uuid4())
        register.add(a_collection(account=account), 1)
        with pytest.raises(QuotaExceeded):
            register.add(a_collection(account=account), 1)
        with pytest.raises(QuotaExceeded):
            register.add(a_collection(), 0)
        register.add(a_collection(account=account), 2)
        assert len(collections.of_account(account)) == 2

    def test_a_folder_has_one_collection_of_an_account(self, register: Any, collection: Collection):
        again = replace(collection, uuid=str(uuid4()))
        with pytest.raises(DuplicateCollection):
            register.add(again, 3)
        register.add(replace(again, uuid=str(uuid4()), prefix="elsewhere/"), 3)
        register.add(replace(again, uuid=str(uuid4()), account=str(uuid4())), 3)
        register.begin_deletion(collection, NOW)
        register.add(again, 3)

    def test_managed_ones_share_their_bucket(self, register: Any, collections: Any):
        account = str(uuid4())
        for _ in range(2):
            register.add(a_collection(account=account, type=CollectionType.MANAGED, role_arn=None, external_id=None), 3)
        assert len(collections.of_account(account)) == 2

    def test_what_is_changed_is_answered_and_stays(self, register: Any, collections: Any, collection: Collection):
        for changes in (
            {"name": "New"},
            {"auto_sync_interval": AutoSync.MANUAL},
            {"auto_sync_interval": AutoSync.WEEKLY},
        ):
            changed = register.change(collection, changes)
            assert collections.get(collection.account, collection.uuid) == changed
        assert changed == replace(collection, name="New", auto_sync=AutoSync.WEEKLY)
        assert changed in list(collections.due(AutoSync.WEEKLY))
        assert changed not in list(collections.due(AutoSync.DAILY))

    def test_a_deleted_one_is_gone_for_all_but_its_deletion(
        self, register: Any, collections: Any, collection: Collection
    ):
        assert register.deleted(collection.account, collection.uuid) is None
        register.begin_deletion(collection, NOW)
        assert collections.get(collection.account, collection.uuid) is None
        assert collections.of_account(collection.account) == []
        assert collections.on_bucket(collection.bucket) == []
        assert collection.uuid not in [each.uuid for each in collections.due(AutoSync.DAILY)]
        marked = register.deleted(collection.account, collection.uuid)
        assert marked is not None
        assert (marked.uuid, marked.prefix) == (collection.uuid, collection.prefix)
        for change in (
            lambda: register.begin_deletion(collection, NOW),
            lambda: register.change(collection, {"name": "x"}),
        ):
            with pytest.raises(NotFound):
                change()
        register.end_deletion(collection.account, collection.uuid)
        register.end_deletion(collection.account, collection.uuid)
        assert register.deleted(collection.account, collection.uuid) is None

    def test_a_deleted_one_makes_room_once(self, register: Any):
        account = str(uuid4())
        made = a_collection(account=account)
        register.add(made, 1)
        register.begin_deletion(made, NOW)
        register.add(a_collection(account=account), 1)
        with pytest.raises(QuotaExceeded):
            register.add(a_collection(account=account), 1)

    def test_what_a_deleted_one_had_is_the_accounts_no_more(self, register: Any, allowances: Any):
        account = str(uuid4())
        made = a_collection(account=account, total_files=3, total_size=30)
        register.add(made, 1)
        allowances.fix_usage(account, (0, 0), (5, 50))
        read_before_a_sync = replace(made, total_files=1, total_size=10)
        register.begin_deletion(read_before_a_sync, NOW)
        with pytest.raises(NotFound):
            register.begin_deletion(made, NOW)
        usage = allowances.usage(account, "2026-03")
        assert (usage.files, usage.bytes) == (2, 20)

    def test_the_files_of_a_managed_one_are_the_accounts_until_they_are_cleared_away(
        self, register: Any, allowances: Any
    ):
        account = str(uuid4())
        made = a_collection(account=account, total_files=3, total_size=30, type=CollectionType.MANAGED)
        register.add(made, 1)
        allowances.fix_usage(account, (0, 0), (5, 50))
        register.begin_deletion(made, NOW)
        assert allowances.usage(account, "2026-03").files == 5


class TestFakeRegister(RegisterContract):
    @pytest.fixture
    def stores(self) -> tuple[FakeRegistry, FakeCollections, FakeQuotaLedger]:
        collections, allowances = FakeCollections(), FakeQuotaLedger()
        return FakeRegistry(collections, allowances), collections, allowances


class TestDynamoDBRegister(RegisterContract):
    @pytest.fixture
    def stores(self, aws: Callable[..., Any]) -> tuple[DynamoDBRegistry, DynamoDBCollections, DynamoDBQuotaLedger]:
        client = aws("dynamodb")
        accounts, collections = make_table(client, "AccountsTable"), make_table(client, "CollectionsTable")
        register, kept = DynamoDBRegistry(client, accounts, collections), DynamoDBCollections(client, collections)
        return register, kept, DynamoDBQuotaLedger(client, accounts)

    def test_of_many_at_once_on_one_folder_one_is_added(self, register: Any, collections: Any):
        wanted = [a_collection(account=str(uuid4()))]
        wanted += [replace(wanted[0], uuid=str(uuid4())) for _ in range(9)]

        def add(collection: Collection) -> bool:
            try:
                register.add(collection, 100)
            except DuplicateCollection:
                return False
            return True

        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(add, wanted)) == 1
        assert len(collections.of_account(wanted[0].account)) == 1
