"""Accounts and tokens, made by whoever administers a deployment: the same code locally and on AWS."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb_accounts import DynamoDBAccounts
from chalicelib.domain.accounts import Account, Token, new_token, token_digest

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient


class AccountDesk:
    """Opens accounts and issues tokens straight into the accounts table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._accounts = DynamoDBAccounts(client, table)

    def open_account(self, name: str) -> str:
        """Answers the new account's uuid."""
        account = Account(str(uuid.uuid4()), name, datetime.now(UTC))
        self._accounts.add_account(account)
        return account.uuid

    def issue_token(self, account: str, name: str) -> str:
        """Answers the token; only its hash is stored, so it cannot be shown again."""
        token = new_token()
        self._accounts.add_token(Token(token_digest(token), account, name, datetime.now(UTC)))
        return token
