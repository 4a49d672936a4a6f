"""The keys that sign links, in one item of the table of accounts."""

from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, optional_time, to_item
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.links import SigningKeys

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

_KEY = {"pk": "signing-keys", "sk": "links"}


class DynamoDBSigningKeys:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def read_or_create(self, new: SigningKeys) -> SigningKeys:
        stored = self._read()
        if stored is None:
            try:
                self._put(new, "attribute_not_exists(pk)")
            except StaleWrite:
                stored = self._read()
        return stored or new

    def replace(self, current: SigningKeys, new: SigningKeys) -> None:
        self._put(new, "#c = :current", {":current": current.current})

    def _read(self) -> SigningKeys | None:
        item = self._client.get_item(TableName=self._table, Key=to_item(_KEY), ConsistentRead=True).get("Item")
        if not item:
            return None
        values = from_item(item)
        return SigningKeys(values["current"], values.get("previous"), optional_time(values.get("previous_until")))

    def _put(self, keys: SigningKeys, condition: str, values: dict[str, Any] | None = None) -> None:
        stored = {"current": keys.current, "previous": keys.previous, "previous_until": keys.previous_until}
        expected: dict[str, Any] = {}
        if values:
            expected = {"ExpressionAttributeNames": {"#c": "current"}, "ExpressionAttributeValues": to_item(values)}
        try:
            self._client.put_item(
                TableName=self._table, Item=to_item({**_KEY, **stored}), ConditionExpression=condition, **expected
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise StaleWrite from error
