"""Sessions of the dashboard in DynamoDB: ``session#SHA256`` in the user's partition of the table of accounts.

``purge_at`` lets DynamoDB delete a session that has expired, within some days; readers look at ``last_used``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, to_item
from chalicelib.domain.sessions import Session

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient


class DynamoDBSessions:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, session: Session) -> None:
        values = {
            "account": session.account,
            "created_at": session.created_at,
            "last_used": session.last_used,
            "address": session.address,
            "agent": session.agent,
            "purge_at": _purge_at(session),
        }
        item = _key(session.user, session.digest) | to_item(values)
        self._client.put_item(TableName=self._table, Item=item)

    def of_user(self, user: str) -> list[Session]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues=to_item({":pk": f"user#{user}", ":sk": "session#"}),
        )
        return [session_of(from_item(item)) for page in pages for item in page["Items"]]

    def touch(self, session: Session) -> None:
        values = {":last_used": session.last_used, ":purge_at": _purge_at(session)}
        self._update(session, "SET last_used = :last_used, purge_at = :purge_at", values)

    def switch(self, session: Session, account: str) -> None:
        self._update(session, "SET account = :account", {":account": account})

    def remove(self, user: str, digests: Sequence[str]) -> None:
        for digest in digests:
            self._client.delete_item(TableName=self._table, Key=_key(user, digest))

    def _update(self, session: Session, expression: str, values: dict[str, Any]) -> None:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(session.user, session.digest),
                UpdateExpression=expression,
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues=to_item(values),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return  # ended meanwhile; an update without the condition would make it anew


def _key(user: str, digest: str) -> dict[str, Any]:
    return to_item({"pk": f"user#{user}", "sk": f"session#{digest}"})


def _purge_at(session: Session) -> int:
    return int(session.expires_at.timestamp())


def session_of(values: dict[str, Any]) -> Session:
    """The session of an item's values."""
    return Session(
        user=values["pk"].partition("#")[2],
        digest=values["sk"].partition("#")[2],
        account=values["account"],
        created_at=datetime.fromisoformat(values["created_at"]),
        last_used=datetime.fromisoformat(values["last_used"]),
        address=values["address"],
        agent=values["agent"],
    )
