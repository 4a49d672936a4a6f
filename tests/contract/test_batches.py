"""Batches that DynamoDB processes in part: the rest is repeated, on the emulator and on DynamoDB Local."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.files import PendingWrite
from tests.contract.tables import make_table, put_collection
from tests.factories import a_collection, a_record, an_embedding

ProcessedCount = Callable[[list[Any]], int]


@dataclass(frozen=True)
class Stores:
    client: Any
    table: str
    collections_table: str
    catalogue: DynamoDBCatalogue

    def collection_of(self, count: int, **embedding: Any) -> Collection:
        """Store a collection with so many records, whose keys are their numbers."""
        collection = a_collection()
        put_collection(self.client, self.collections_table, collection)
        writes = [
            PendingWrite(a_record(collection, f"{number:03}", embedding=an_embedding(**embedding)), None)
            for number in range(count)
        ]
        chunk = 8 if embedding else 50  # a transaction has 4 MB at most
        for start in range(0, count, chunk):
            self.catalogue.put_images([write.record for write in writes[start : start + chunk]])
            assert self.catalogue.save_all(writes[start : start + chunk]) == set()
        return collection


def make_stores(client: Any) -> Stores:
    collections, table = make_table(client, "CollectionsTable"), make_table(client, "CatalogueTable")
    return Stores(client, table, collections, DynamoDBCatalogue(client, table, collections, "accounts"))


@contextmanager
def partly_processed(
    client: Any, operation: str, unprocessed_field: str, count_processed: ProcessedCount
) -> Iterator[list[int]]:
    """Have only the first requests of each batch processed, and the others reported as unprocessed.

    Yields the sizes of the batches, call by call.
    """
    unprocessed: list[Any] = []
    sizes: list[int] = []

    def truncate_batch(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        ((table, batch),) = params["RequestItems"].items()
        requests = batch.get("Keys") if isinstance(batch, dict) else batch
        processed = count_processed(requests)
        sizes.append(len(requests))

        def batch_of(part: list[Any]) -> Any:
            return {table: {**batch, "Keys": part} if isinstance(batch, dict) else part}

        unprocessed[:] = [batch_of(requests[processed:]) if requests[processed:] else {}]
        # An empty batch is an error: where nothing is to be processed, one request is sent and reported all the same.
        return {**params, "RequestItems": batch_of(requests[: max(1, processed)])}

    def report_unprocessed(parsed: dict[str, Any], **_: Any) -> None:
        parsed[unprocessed_field] = unprocessed[0]

    hooks = {
        f"before-parameter-build.dynamodb.{operation}": truncate_batch,
        f"after-call.dynamodb.{operation}": report_unprocessed,
    }
    for event, hook in hooks.items():
        client.meta.events.register_last(event, hook, unique_id=event)
    try:
        yield sizes
    finally:
        for event in hooks:
            client.meta.events.unregister(event, unique_id=event)


def half(requests: list[Any]) -> int:
    return (len(requests) + 1) // 2


def nothing(requests: list[Any]) -> int:
    return 0


READ, WRITE = ("BatchGetItem", "UnprocessedKeys"), ("BatchWriteItem", "UnprocessedItems")


class BatchesContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    def test_a_hundred_keys_are_all_read_although_each_call_leaves_out_half(self, stores: Stores):
        collection = stores.collection_of(100)
        keys = [f"{number:03}" for number in range(100)]
        with partly_processed(stores.client, *READ, half) as sizes:
            assert sorted(stores.catalogue.get_many(collection.uuid, keys)) == keys
        assert sizes == [100, 50, 25, 12, 6, 3, 1] * 2, "the records, and then their images"

    def test_a_page_is_deleted_entirely_although_each_call_leaves_out_half(self, stores: Stores):
        page = batches.MAX_DELETIONS_PER_WRITE
        collection = stores.collection_of(page + 5)
        with partly_processed(stores.client, *WRITE, half) as sizes:
            assert stores.catalogue.delete_page(collection.uuid)
        assert sizes == [25, 12, 6, 3, 1] * 2, "the images, and then their records"
        remaining = [entry.key for entry in stores.catalogue.entries(collection.uuid, None)]
        assert remaining == [f"{number:03}" for number in range(page, page + 5)]
        assert stores.catalogue.delete_page(collection.uuid)
        assert not stores.catalogue.delete_page(collection.uuid)


class TestDynamoDBOnTheEmulator(BatchesContract):
    @pytest.fixture
    def stores(self, emulator_stores: Stores) -> Stores:
        return emulator_stores


class TestDynamoDBLocal(BatchesContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores

    def test_records_that_exceed_one_response_are_read_by_several_calls(self, stores: Stores):
        """The server itself leaves out keys: 45 images have 390 KB each, and a response has 16 MB at most."""
        collection = stores.collection_of(45, vector=b"\7" * 390_000)
        unprocessed: list[int] = []

        def count_unprocessed(parsed: dict[str, Any], **_: Any) -> None:
            unprocessed.append(len(parsed.get("UnprocessedKeys", {}).get(stores.table, {}).get("Keys", [])))

        event = "after-call.dynamodb.BatchGetItem"
        stores.client.meta.events.register(event, count_unprocessed, unique_id="count-unprocessed")
        try:
            records = stores.catalogue.get_many(collection.uuid, [f"{number:03}" for number in range(45)])
        finally:
            stores.client.meta.events.unregister(event, unique_id="count-unprocessed")
        assert len(records) == 45
        assert len(unprocessed) > 2 and unprocessed[1] > 0 and unprocessed[-1] == 0

    def test_a_server_that_processes_nothing_makes_the_call_fail_as_unavailable(self, stores: Stores):
        collection = stores.collection_of(3)
        with partly_processed(stores.client, *READ, nothing), pytest.raises(Unavailable):
            stores.catalogue.get_many(collection.uuid, ["000", "001", "002"])
        with partly_processed(stores.client, *WRITE, nothing), pytest.raises(Unavailable):
            stores.catalogue.delete_page(collection.uuid)
