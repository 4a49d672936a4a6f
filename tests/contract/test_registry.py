"""The contract of every registry of collections: one suite, run on the fake and on the emulator's DynamoDB."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.adapters.dynamodb.quota_ledger import DynamoDBQuotaLedger
from chalicelib.adapters.dynamodb.registry import DynamoDBRegistry
from chalicelib.domain.collections import AutoSync, Collection, CollectionType
from chalicelib.domain.errors import DuplicateCollection, NotFound, QuotaExceeded, StaleWrite
from chalicelib.domain.selection import DEFAULT_EXCLUDE
from chalicelib.domain.storage_servers import ETagMeaning, StorageServer
from chalicelib.services.ports import CollectionRegistry, Collections, QuotaLedger
from tests.contract.tables import make_table
from tests.factories import NOW, a_collection, a_collection_on_a_server
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger
from tests.fakes.registry import FakeRegistry


@dataclass(frozen=True)
class Stores:
    """A registry, the collections that it writes, and the quota ledger that it updates."""

    registry: CollectionRegistry
    collections: Collections
    quota_ledger: QuotaLedger


class RegistryContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def registry(self, stores: Stores) -> CollectionRegistry:
        return stores.registry

    @pytest.fixture
    def collections(self, stores: Stores) -> Collections:
        return stores.collections

    @pytest.fixture
    def quota_ledger(self, stores: Stores) -> QuotaLedger:
        return stores.quota_ledger

    @pytest.fixture
    def collection(self, registry: CollectionRegistry) -> Collection:
        collection = a_collection(auto_sync=AutoSync.DAILY)
        registry.add(collection, 3)
        return collection

    def test_an_added_collection_can_be_read(self, collections: Collections, collection: Collection):
        assert collections.get(collection.account, collection.uuid) == collection

    def test_an_account_keeps_its_external_id_for_a_folder(self, registry: CollectionRegistry):
        account, bucket = str(uuid4()), f"bucket-{uuid4().hex}"
        first = registry.external_id(account, bucket, "a/")
        assert registry.external_id(account, bucket, "a/") == first
        others = [(account, bucket, ""), (account, bucket, "b/"), (str(uuid4()), bucket, "a/")]
        assert first not in [registry.external_id(*other) for other in others]
        collection = a_collection(account=account, bucket=bucket, prefix="a/")
        registry.add(collection, 1)
        registry.begin_deletion(collection, NOW)
        assert registry.external_id(account, bucket, "a/") == first

    def test_the_usage_of_an_account_has_the_number_of_its_collections(
        self, registry: CollectionRegistry, quota_ledger: QuotaLedger
    ):
        account = str(uuid4())
        added = [a_collection(account=account) for _ in range(3)]
        for collection in added:
            registry.add(collection, 3)
        with pytest.raises(QuotaExceeded):
            registry.add(a_collection(account=account), 3)
        assert quota_ledger.usage(account, "2026-03").collections == 3
        registry.begin_deletion(added[0], NOW)
        assert quota_ledger.usage(account, "2026-03").collections == 2

    def test_no_more_collections_are_added_than_the_limit(self, registry: CollectionRegistry, collections: Collections):
        account = str(uuid4())
        registry.add(a_collection(account=account), 1)
        with pytest.raises(QuotaExceeded):
            registry.add(a_collection(account=account), 1)
        with pytest.raises(QuotaExceeded):
            registry.add(a_collection(), 0)
        registry.add(a_collection(account=account), 2)
        assert len(collections.of_account(account)) == 2

    def test_an_account_has_one_collection_on_a_folder(self, registry: CollectionRegistry, collection: Collection):
        duplicate = replace(collection, uuid=str(uuid4()))
        with pytest.raises(DuplicateCollection):
            registry.add(duplicate, 3)
        registry.add(replace(duplicate, uuid=str(uuid4()), prefix="elsewhere/"), 3)
        registry.add(replace(duplicate, uuid=str(uuid4()), account=str(uuid4())), 3)
        registry.begin_deletion(collection, NOW)
        registry.add(duplicate, 3)

    def test_managed_collections_are_all_on_one_bucket(self, registry: CollectionRegistry, collections: Collections):
        account = str(uuid4())
        for _ in range(2):
            registry.add(a_collection(account=account, type=CollectionType.MANAGED, role_arn=None, external_id=None), 3)
        assert len(collections.of_account(account)) == 2

    def test_a_change_is_stored_and_returned(
        self, registry: CollectionRegistry, collections: Collections, collection: Collection
    ):
        for changes in (
            {"name": "New"},
            {"auto_sync_interval": AutoSync.MANUAL},
            {"auto_sync_interval": AutoSync.WEEKLY},
            {"auto_sync_at": 5},
            {"auto_sync_at": None},
            {"auto_sync_at": 0},
        ):
            changed = registry.change(collection, changes)
            assert collections.get(collection.account, collection.uuid) == changed
        assert changed == replace(collection, name="New", auto_sync=AutoSync.WEEKLY, auto_sync_at=0)
        assert changed in list(collections.due(AutoSync.WEEKLY))
        assert changed not in list(collections.due(AutoSync.DAILY))

    def test_several_changes_at_once_are_all_stored(
        self, registry: CollectionRegistry, collections: Collections, collection: Collection
    ):
        changes = {"auto_sync_interval": AutoSync.MANUAL, "name": "New", "role_arn": "arn:aws:iam::1:role/similarix-b"}
        changed = registry.change(collection, changes)
        assert collections.get(collection.account, collection.uuid) == changed
        assert changed == replace(collection, auto_sync=AutoSync.MANUAL, name="New", role_arn=changes["role_arn"])

    @pytest.mark.parametrize("patterns", [("*.jpg", "a/"), ()])
    def test_patterns_can_be_changed_and_put_back_to_the_default(
        self,
        registry: CollectionRegistry,
        collections: Collections,
        collection: Collection,
        patterns: tuple[str, ...],
    ):
        changed = registry.change(collection, {"include": patterns, "exclude": patterns})
        assert collections.get(collection.account, collection.uuid) == changed
        assert changed == replace(collection, include=patterns, exclude=patterns)
        assert registry.change(changed, {"include": (), "exclude": DEFAULT_EXCLUDE}) == collection
        assert collections.get(collection.account, collection.uuid) == collection

    def test_a_collection_is_added_with_its_patterns(self, registry: CollectionRegistry, collections: Collections):
        collection = a_collection(include=("*.jpg",), exclude=())
        registry.add(collection, 3)
        assert collections.get(collection.account, collection.uuid) == collection

    def test_what_the_etags_of_a_server_mean_is_stored_beside_the_key_by_which_it_was_measured_and_no_other(
        self, registry: CollectionRegistry, collections: Collections
    ):
        collection = a_collection_on_a_server()
        registry.add(collection, 3)
        registry.save_etags(collection, ETagMeaning.NONE)
        assert collection.server is not None
        measured = replace(collection, server=replace(collection.server, etags=ETagMeaning.NONE))
        assert collections.get(collection.account, collection.uuid) == measured
        rekeyed = registry.change(collection, {"server": replace(collection.server, sealed_secret=b"another secret")})
        with pytest.raises(StaleWrite):
            registry.save_etags(collection, ETagMeaning.NONE)
        assert collections.get(collection.account, collection.uuid) == rekeyed
        registry.begin_deletion(rekeyed, NOW)
        with pytest.raises(StaleWrite):
            registry.save_etags(rekeyed, ETagMeaning.NONE)
        assert collections.get(collection.account, collection.uuid) is None

    def test_a_deleted_collection_is_visible_to_its_deletion_only(
        self, registry: CollectionRegistry, collections: Collections, collection: Collection
    ):
        assert registry.deleted(collection.account, collection.uuid) is None
        registry.begin_deletion(collection, NOW)
        assert collections.get(collection.account, collection.uuid) is None
        assert collections.of_account(collection.account) == []
        assert collections.on_bucket(collection.bucket) == []
        assert collection.uuid not in [due.uuid for due in collections.due(AutoSync.DAILY)]
        deleted = registry.deleted(collection.account, collection.uuid)
        assert deleted is not None
        assert (deleted.uuid, deleted.prefix) == (collection.uuid, collection.prefix)
        with pytest.raises(NotFound):
            registry.begin_deletion(collection, NOW)
        with pytest.raises(NotFound):
            registry.change(collection, {"name": "x"})
        registry.end_deletion(collection.account, collection.uuid)
        registry.end_deletion(collection.account, collection.uuid)
        assert registry.deleted(collection.account, collection.uuid) is None

    def test_an_account_has_collections_until_the_deletion_of_the_last_one_has_ended(
        self, registry: CollectionRegistry, collection: Collection
    ):
        assert registry.has_collections(collection.account)
        assert not registry.has_collections(str(uuid4()))
        registry.begin_deletion(collection, NOW)
        assert registry.has_collections(collection.account)
        registry.end_deletion(collection.account, collection.uuid)
        assert not registry.has_collections(collection.account)

    def test_a_deleted_collection_frees_one_place_of_the_plan(self, registry: CollectionRegistry):
        account = str(uuid4())
        collection = a_collection(account=account)
        registry.add(collection, 1)
        registry.begin_deletion(collection, NOW)
        registry.add(a_collection(account=account), 1)
        with pytest.raises(QuotaExceeded):
            registry.add(a_collection(account=account), 1)

    def test_deleting_a_connected_collection_releases_the_quota_of_its_files_once(
        self, registry: CollectionRegistry, quota_ledger: QuotaLedger
    ):
        account = str(uuid4())
        collection = a_collection(account=account, total_files=3, total_size=30)
        registry.add(collection, 1)
        quota_ledger.fix_usage(account, (0, 0), (5, 50))
        read_before_a_sync = replace(collection, total_files=1, total_size=10)
        registry.begin_deletion(read_before_a_sync, NOW)
        with pytest.raises(NotFound):
            registry.begin_deletion(collection, NOW)
        usage = quota_ledger.usage(account, "2026-03")
        assert (usage.files, usage.bytes) == (2, 20)

    def test_deleting_a_managed_collection_leaves_the_quota_of_its_files_to_the_worker(
        self, registry: CollectionRegistry, quota_ledger: QuotaLedger
    ):
        account = str(uuid4())
        collection = a_collection(account=account, total_files=3, total_size=30, type=CollectionType.MANAGED)
        registry.add(collection, 1)
        quota_ledger.fix_usage(account, (0, 0), (5, 50))
        registry.begin_deletion(collection, NOW)
        assert quota_ledger.usage(account, "2026-03").files == 5

    def test_a_collection_on_a_server_is_stored_with_its_key_and_gets_another_one(
        self, registry: CollectionRegistry, collections: Collections
    ):
        collection = a_collection_on_a_server(prefix="x" * 899 + "/")
        registry.add(collection, 1)
        assert collections.get(collection.account, collection.uuid) == collection
        server = StorageServer(collection.server.url, "another key", b"sealed anew", ETagMeaning.NONE)
        changed = registry.change(collection, {"server": server, "name": "New"})
        assert changed == replace(collection, server=server, name="New")
        assert collections.get(collection.account, collection.uuid) == changed

    def test_buckets_of_one_name_on_several_servers_are_several(self, registry: CollectionRegistry):
        collection = a_collection_on_a_server()
        account, bucket, prefix = collection.account, collection.bucket, collection.prefix
        registry.add(collection, 9)
        for url in ("https://s3.example.org", "https://s3.example.com:9000"):
            registry.add(a_collection_on_a_server(url, account=account, bucket=bucket, prefix=prefix), 9)
        registry.add(a_collection(account=account, bucket=bucket, prefix=prefix), 9)
        with pytest.raises(DuplicateCollection):
            registry.add(replace(collection, uuid=str(uuid4())), 9)
        registry.begin_deletion(collection, NOW)
        registry.add(replace(collection, uuid=str(uuid4())), 9)


class TestFake(RegistryContract):
    @pytest.fixture
    def stores(self) -> Stores:
        collections, quota_ledger = FakeCollections(), FakeQuotaLedger()
        return Stores(FakeRegistry(collections, quota_ledger), collections, quota_ledger)


class TestDynamoDBOnTheEmulator(RegistryContract):
    @pytest.fixture
    def stores(self, aws: Callable[..., Any]) -> Stores:
        client = aws("dynamodb")
        accounts, collections = make_table(client, "AccountsTable"), make_table(client, "CollectionsTable")
        return Stores(
            DynamoDBRegistry(client, accounts, collections),
            DynamoDBCollections(client, collections),
            DynamoDBQuotaLedger(client, accounts),
        )

    @pytest.fixture
    def items_of(self, aws: Callable[..., Any], registry: DynamoDBRegistry) -> Callable[[str], list[str]]:
        """Returns the sort keys of all that the accounts table has of an account."""

        def items_of(account: str) -> list[str]:
            items = aws("dynamodb").query(
                TableName=registry._accounts,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"account#{account}"}},
            )["Items"]
            return [item["sk"]["S"] for item in items]

        return items_of

    def test_checks_of_any_number_of_folders_leave_one_item(
        self, registry: DynamoDBRegistry, items_of: Callable[[str], list[str]]
    ):
        account = str(uuid4())
        ids = {registry.external_id(account, "a-bucket", f"{number}" * 400) for number in range(30)}
        assert len(ids) == 30
        assert all(re.fullmatch(r"[\w=,.@:/-]{32}", external_id, re.ASCII) for external_id in ids)
        assert items_of(account) == ["external-ids"]

    def test_collections_that_are_gone_leave_no_item_of_their_folders(
        self, registry: DynamoDBRegistry, items_of: Callable[[str], list[str]]
    ):
        account = str(uuid4())
        for _ in range(3):
            collection = a_collection(account=account)
            registry.add(collection, 1)
            registry.begin_deletion(collection, NOW)
        assert items_of(account) == ["usage"]

    def test_an_external_id_that_was_stored_before_ids_were_derived_stays(
        self, aws: Callable[..., Any], registry: DynamoDBRegistry
    ):
        collection = a_collection()
        key = {"pk": {"S": f"account#{collection.account}"}, "sk": {"S": f"source#{collection.bucket}/pictures/"}}
        aws("dynamodb").put_item(TableName=registry._accounts, Item={**key, "external_id": {"S": "older"}})
        for _ in range(2):
            assert registry.external_id(collection.account, collection.bucket, "pictures/") == "older"
            registry.add(collection, 1)
            with pytest.raises(DuplicateCollection):
                registry.add(replace(collection, uuid=str(uuid4())), 9)
            registry.begin_deletion(collection, NOW)
            collection = replace(collection, uuid=str(uuid4()))
        assert registry.external_id(collection.account, collection.bucket, "pictures/") == "older"

    def test_of_several_parallel_additions_on_one_folder_one_succeeds(
        self, registry: CollectionRegistry, collections: Collections
    ):
        first = a_collection(account=str(uuid4()))
        duplicates = [first, *(replace(first, uuid=str(uuid4())) for _ in range(9))]

        def add(collection: Collection) -> bool:
            try:
                registry.add(collection, 100)
            except DuplicateCollection:
                return False
            return True

        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(add, duplicates)) == 1
        assert len(collections.of_account(first.account)) == 1
