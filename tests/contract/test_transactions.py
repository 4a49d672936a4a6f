"""A transaction whose answer is lost is not written twice, on the emulator and on DynamoDB Local."""

from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.adapters.dynamodb.transactions import transact
from tests.contract.lost_answers import lost_answers
from tests.contract.tables import make_table


@dataclass(frozen=True)
class Stores:
    client: Any
    table: str

    def put(self, key: str) -> Any:
        """The part that puts an item which is not there yet."""
        condition = "attribute_not_exists(#k)"
        names = {"#k": "key"}
        item = {"collection": {"S": "a-collection"}, "key": {"S": key}}
        return {
            "Put": {
                "TableName": self.table,
                "Item": item,
                "ConditionExpression": condition,
                "ExpressionAttributeNames": names,
            }
        }


def make_stores(client: Any) -> Stores:
    return Stores(client, make_table(client, "CatalogueTable"))


class TransactionContract:
    @pytest.mark.parametrize("lost", [1, 3])
    def test_a_transaction_that_is_repeated_because_its_answers_were_lost_is_written_once(
        self, stores: Stores, lost: int
    ) -> None:
        with lost_answers(stores.client, "TransactWriteItems", lost) as calls:
            assert transact(stores.client, [stores.put(f"{lost}/a"), stores.put(f"{lost}/b")]) == {}
        assert len(calls) == lost + 1

    def test_another_transaction_with_the_same_parts_is_refused(self, stores: Stores) -> None:
        assert transact(stores.client, [stores.put("c")]) == {}
        assert transact(stores.client, [stores.put("c"), stores.put("d")]) == {0: "ConditionalCheckFailed"}


class TestDynamoDBOnTheEmulator(TransactionContract):
    @pytest.fixture
    def stores(self, emulator_stores: Stores) -> Stores:
        return emulator_stores


class TestDynamoDBLocal(TransactionContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores
