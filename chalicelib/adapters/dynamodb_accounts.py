"""Accounts and tokens in DynamoDB.

One item an account (``account#UUID``), one a token (``token#SHA256``): checking a token is one read by key.
"""

from typing import TYPE_CHECKING

from chalicelib.adapters.items import from_item, time, to_item
from chalicelib.domain.accounts import Account, Token

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient


class DynamoDBAccounts:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add_account(self, account: Account) -> None:
        values = {
            "pk": f"account#{account.uuid}",
            "sk": "account",
            "name": account.name,
            "created_at": account.created_at,
        }
        self._client.put_item(TableName=self._table, Item=to_item(values))

    def add_token(self, token: Token) -> None:
        values = {
            "pk": f"token#{token.digest}",
            "sk": "token",
            "account": token.account,
            "name": token.name,
            "created_at": token.created_at,
        }
        self._client.put_item(TableName=self._table, Item=to_item(values))

    def token(self, digest: str) -> Token | None:
        key = to_item({"pk": f"token#{digest}", "sk": "token"})
        found = self._client.get_item(TableName=self._table, Key=key).get("Item")
        if found is None:
            return None
        values = from_item(found)
        created = time(values["created_at"])
        assert created is not None
        return Token(digest, values["account"], values["name"], created)
