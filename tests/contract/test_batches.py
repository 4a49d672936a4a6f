"""Batches of which DynamoDB does a part and names the rest: nothing is lost, on the emulator and on DynamoDB Local."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb.collections import DynamoDBCollections
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.files import PendingWrite
from tests.contract.tables import make_table
from tests.factories import a_collection, a_record, an_embedding

Split = Callable[[list[Any]], int]


@dataclass(frozen=True)
class Stores:
    client: Any
    table: str
    catalogue: DynamoDBCatalogue
    collections: DynamoDBCollections

    def filled(self, count: int, **picture: Any) -> Collection:
        """A collection with so many records, named by their numbers."""
        collection = a_collection()
        self.collections.add(collection)
        drafts = [
            PendingWrite(a_record(collection, f"{number:03}", embedding=an_embedding(**picture)), None)
            for number in range(count)
        ]
        at_once = 8 if picture else 50  # a transaction has 4 MB at most
        for start in range(0, count, at_once):
            assert self.catalogue.save_all(drafts[start : start + at_once]) == set()
        return collection


def on(client: Any) -> Stores:
    collections, table = make_table(client, "CollectionsTable"), make_table(client, "CatalogueTable")
    return Stores(
        client,
        table,
        DynamoDBCatalogue(client, table, collections, "accounts"),
        DynamoDBCollections(client, collections),
    )


@contextmanager
def partly(client: Any, operation: str, rest: str, does: Split) -> Iterator[list[int]]:
    """The server is asked for so many of each batch as ``does`` says, and said to have left out the others.

    Yields how many were asked for, call by call.
    """
    withheld: list[Any] = []
    calls: list[int] = []

    def before(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        ((table, batch),) = params["RequestItems"].items()
        wanted = batch.get("Keys") if isinstance(batch, dict) else batch
        done = does(wanted)
        calls.append(len(wanted))

        def some(part: list[Any]) -> Any:
            return {table: {**batch, "Keys": part} if isinstance(batch, dict) else part}

        withheld[:] = [some(wanted[done:]) if wanted[done:] else {}]
        # An empty batch is an error: whoever does nothing is asked for one thing, and said not to have done it.
        return {**params, "RequestItems": some(wanted[: max(1, done)])}

    def after(parsed: dict[str, Any], **_: Any) -> None:
        parsed[rest] = withheld[0]

    events = client.meta.events
    events.register_last(f"before-parameter-build.dynamodb.{operation}", before, unique_id="partly-before")
    events.register_last(f"after-call.dynamodb.{operation}", after, unique_id="partly-after")
    try:
        yield calls
    finally:
        events.unregister(f"before-parameter-build.dynamodb.{operation}", unique_id="partly-before")
        events.unregister(f"after-call.dynamodb.{operation}", unique_id="partly-after")


def half(batch: list[Any]) -> int:
    return (len(batch) + 1) // 2


def nothing(batch: list[Any]) -> int:
    return 0


READING, WRITING = ("BatchGetItem", "UnprocessedKeys"), ("BatchWriteItem", "UnprocessedItems")


class BatchesContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    def test_a_hundred_keys_are_all_read_although_half_are_left_out_each_time(self, stores: Stores):
        collection = stores.filled(100)
        keys = [f"{number:03}" for number in range(100)]
        with partly(stores.client, *READING, half) as calls:
            assert sorted(stores.catalogue.get_many(collection.uuid, keys)) == keys
        assert calls == [100, 50, 25, 12, 6, 3, 1]

    def test_a_page_of_deletions_is_done_whole_although_half_are_left_out_each_time(self, stores: Stores):
        collection = stores.filled(batches.DELETE_LIMIT + 5)
        with partly(stores.client, *WRITING, half) as calls:
            assert stores.catalogue.remove_page(collection.uuid)
        assert calls == [25, 12, 6, 3, 1]
        assert [known.key for known in stores.catalogue.entries(collection.uuid, None)] == [
            f"{number:03}" for number in range(batches.DELETE_LIMIT, batches.DELETE_LIMIT + 5)
        ]
        assert stores.catalogue.remove_page(collection.uuid)
        assert not stores.catalogue.remove_page(collection.uuid)


class TestTheEmulator(BatchesContract):
    @pytest.fixture
    def stores(self, emulated: Stores) -> Stores:
        return emulated


class TestAmazonsDynamoDB(BatchesContract):
    @pytest.fixture
    def stores(self, amazons: Stores) -> Stores:
        return amazons

    def test_more_than_an_answer_holds_is_read_in_several(self, stores: Stores):
        """The server itself leaves keys out: 45 records of 390 KB, and an answer has 16 MB."""
        collection = stores.filled(45, vector=b"\7" * 390_000)
        left_out: list[int] = []

        def note(parsed: dict[str, Any], **_: Any) -> None:
            left_out.append(len(parsed.get("UnprocessedKeys", {}).get(stores.table, {}).get("Keys", [])))

        stores.client.meta.events.register("after-call.dynamodb.BatchGetItem", note, unique_id="note")
        try:
            found = stores.catalogue.get_many(collection.uuid, [f"{number:03}" for number in range(45)])
        finally:
            stores.client.meta.events.unregister("after-call.dynamodb.BatchGetItem", unique_id="note")
        assert len(found) == 45
        assert len(left_out) > 1 and left_out[0] > 0 and left_out[-1] == 0

    def test_a_server_that_leaves_out_everything_is_said_to_be_busy_and_nothing_counts_as_done(self, stores: Stores):
        collection = stores.filled(3)
        with partly(stores.client, *READING, nothing), pytest.raises(Unavailable):
            stores.catalogue.get_many(collection.uuid, ["000", "001", "002"])
        with partly(stores.client, *WRITING, nothing), pytest.raises(Unavailable):
            stores.catalogue.remove_page(collection.uuid)
