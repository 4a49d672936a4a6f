"""What every catalogue must hold: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb_catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb_collections import DynamoDBCollections
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound, StaleWrite
from chalicelib.domain.files import FileState
from chalicelib.services.ports import Catalogue, Collections
from tests.contract.tables import make_table
from tests.contract.things import AWKWARD_KEYS, a_collection, a_picture, a_record
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.collections import FakeCollections


@dataclass(frozen=True)
class Stores:
    collections: Collections
    catalogue: Catalogue


class CatalogueContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def catalogue(self, stores: Stores) -> Catalogue:
        return stores.catalogue

    @pytest.fixture
    def collection(self, stores: Stores) -> Collection:
        made = a_collection()
        stores.collections.add(made)
        return made

    def stats(self, stores: Stores, collection: Collection) -> tuple[int, int]:
        found = stores.collections.get(collection.account, collection.uuid)
        assert found is not None
        return found.total_files, found.total_size

    def test_a_record_comes_back_as_it_was_saved(self, catalogue: Catalogue, collection: Collection):
        indexed = a_record(collection, "pictures/ä b+c.jpg", sequencer="0A1B2C3D4E5F6071")
        failed = a_record(
            collection, "pictures/x", state=FileState.FAILED, picture=None, reason="truncated_image", detail="half"
        )
        for record in (indexed, failed):
            catalogue.save(record, None)
            assert catalogue.get(collection.uuid, record.key) == record
            assert catalogue.find(record.uuid) == record

    def test_what_is_not_there_is_none(self, catalogue: Catalogue, collection: Collection):
        assert catalogue.get(collection.uuid, "nothing") is None
        assert catalogue.find(str(uuid4())) is None
        assert catalogue.get_many(collection.uuid, ["nothing"]) == {}
        assert list(catalogue.walk(collection.uuid, None)) == []

    def test_many_are_read_at_once_each_key_named_once_or_twice(self, catalogue: Catalogue, collection: Collection):
        keys = [f"pictures/{number:03}" for number in range(130)]
        for key in keys:
            catalogue.save(a_record(collection, key, picture=a_picture(vector=b"\0" * 16)), None)
        found = catalogue.get_many(collection.uuid, [*keys, keys[0], "missing"])
        assert sorted(found) == keys
        assert found[keys[7]].key == keys[7]

    def test_the_walk_goes_by_the_bytes_of_the_keys(self, catalogue: Catalogue, collection: Collection):
        for key in reversed(AWKWARD_KEYS):
            catalogue.save(a_record(collection, key), None)
        assert [record.key for record in catalogue.walk(collection.uuid, None)] == list(AWKWARD_KEYS)
        for place, key in enumerate(AWKWARD_KEYS):
            after = [record.key for record in catalogue.walk(collection.uuid, key)]
            assert after == list(AWKWARD_KEYS[place + 1 :])

    def test_the_walk_passes_over_pages_and_tells_all_but_the_picture(
        self, catalogue: Catalogue, collection: Collection
    ):
        # 3 MB of vectors: more than one page of DynamoDB's.
        records = [
            a_record(collection, f"{number:04}", picture=a_picture(vector=bytes([number % 251]) * 100_000))
            for number in range(30)
        ]
        for record in records:
            catalogue.save(record, None)
        assert list(catalogue.walk(collection.uuid, None)) == [replace(record, picture=None) for record in records]

    def test_collections_keep_to_themselves(self, stores: Stores, catalogue: Catalogue, collection: Collection):
        other = a_collection(account=collection.account)
        stores.collections.add(other)
        catalogue.save(a_record(collection, "a"), None)
        catalogue.save(a_record(other, "a", size=7), None)
        assert [record.size for record in catalogue.walk(other.uuid, None)] == [7]
        assert (self.stats(stores, collection), self.stats(stores, other)) == ((1, 1000), (1, 7))

    def test_statistics_follow_what_is_indexed(self, stores: Stores, catalogue: Catalogue, collection: Collection):
        first = a_record(collection, "a", size=10)
        larger = replace(first, size=30, version=2)
        failed = replace(larger, state=FileState.FAILED, picture=None, version=3)
        back = replace(first, version=4)
        gone = replace(back, state=FileState.REMOVED, version=5)
        seen, previous = [], None
        for record in (first, larger, failed, back, gone):
            catalogue.save(record, previous)
            seen.append(self.stats(stores, collection))
            previous = record
        assert seen == [(1, 10), (1, 30), (0, 0), (1, 10), (0, 0)]

    def test_a_write_that_was_overtaken_is_refused_and_counts_nothing(
        self, stores: Stores, catalogue: Catalogue, collection: Collection
    ):
        first = a_record(collection, "a", size=10)
        catalogue.save(first, None)
        second = replace(first, size=20, version=2)
        catalogue.save(second, first)
        for late, previous in ((replace(first, size=99), None), (replace(first, size=99, version=2), first)):
            with pytest.raises(StaleWrite):
                catalogue.save(late, previous)
        with pytest.raises(StaleWrite):
            catalogue.save(a_record(collection, "never", version=2), a_record(collection, "never"))
        assert catalogue.get(collection.uuid, "a") == second
        assert self.stats(stores, collection) == (1, 20)

    def test_a_record_of_a_collection_that_is_gone_is_refused(self, catalogue: Catalogue):
        gone = a_collection()
        with pytest.raises(NotFound):
            catalogue.save(a_record(gone, "a"), None)
        assert catalogue.get(gone.uuid, "a") is None


class TestTheFake(CatalogueContract):
    @pytest.fixture
    def stores(self) -> Stores:
        collections = FakeCollections()
        return Stores(collections, FakeCatalogue(collections))


@pytest.fixture(scope="module")
def dynamodb(aws: Callable[..., Any]) -> Stores:
    client = aws("dynamodb")
    collections = make_table(client, "CollectionsTable")
    return Stores(
        DynamoDBCollections(client, collections, make_table(client, "SyncsTable")),
        DynamoDBCatalogue(client, make_table(client, "CatalogueTable"), collections),
    )


class TestDynamoDB(CatalogueContract):
    @pytest.fixture
    def stores(self, dynamodb: Stores) -> Stores:
        return dynamodb
