"""What an account holds, in DynamoDB: its collections, each a slot of its plan, and the buckets it has connected.

Beside the collection's own item, the accounts table has ``account#UUID``/``usage`` with the number of collections, and
``account#UUID``/``source#BUCKET/PREFIX`` with the external id that goes with a bucket's folder, and the collection on
it, if there is one. One transaction writes all three, so neither the count nor the uniqueness can go wrong.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.collections import from_collection, to_collection
from chalicelib.adapters.dynamodb.items import CONDITION_FAILED, from_item, to_attribute, to_item
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.adapters.dynamodb.usage import ADD_TOTALS, TOTAL_NAMES, usage_key
from chalicelib.domain.collections import AutoSync, Collection, CollectionType
from chalicelib.domain.errors import DuplicateCollection, NotFound, QuotaExceeded, Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

REGISTRY_WRITE_ATTEMPTS = 5  # at a collection whose statistics move because it is synced at the moment


class DynamoDBRegistry:
    def __init__(self, client: "DynamoDBClient", accounts_table: str, collections_table: str) -> None:
        self._client = client
        self._accounts = accounts_table
        self._collections = collections_table

    def external_id(self, account: str, bucket: str, prefix: str) -> str:
        answer = self._client.update_item(
            TableName=self._accounts,
            Key=_source_key(account, bucket, prefix),
            UpdateExpression="SET external_id = if_not_exists(external_id, :new)",
            ExpressionAttributeValues=to_item({":new": secrets.token_urlsafe(24)}),
            ReturnValues="ALL_NEW",
        )
        return str(from_item(answer["Attributes"])["external_id"])

    def add(self, collection: Collection, limit: int) -> None:
        if limit < 1:
            raise QuotaExceeded(_FULL.format(limit=limit))
        put = {"TableName": self._collections, "Item": from_collection(collection)}  # under an identifier just made
        count = self._count(collection.account, 1)
        count["ConditionExpression"] = "attribute_not_exists(collections) OR collections < :limit"
        count["ExpressionAttributeValues"][":limit"] = to_attribute(limit)
        parts: list[Any] = [{"Put": put}, {"Update": count}]
        if collection.type is CollectionType.S3:
            parts.append({"Update": self._take(collection)})
        codes = transact(self._client, parts)
        if codes[1:2] == [CONDITION_FAILED]:
            raise QuotaExceeded(_FULL.format(limit=limit))
        if codes[2:3] == [CONDITION_FAILED]:
            raise DuplicateCollection("There is a collection on this bucket and folder already.", field="bucket")

    def change(self, collection: Collection, changes: Mapping[str, Any]) -> Collection:
        names = {f"#n{place}": name for place, name in enumerate(changes)}
        # An interval that no schedule applies to is left out, so that the index by interval holds only what is due.
        gone = [name for name, field in names.items() if changes[field] is AutoSync.MANUAL]
        values = {f":v{name[2:]}": changes[field] for name, field in names.items() if name not in gone}
        settings = ", ".join(f"#n{value[2:]} = {value}" for value in values)
        update = (f"SET {settings} " if settings else "") + (f"REMOVE {', '.join(gone)}" if gone else "")
        try:
            answer = self._client.update_item(
                TableName=self._collections,
                Key=to_item({"account": collection.account, "uuid": collection.uuid}),
                UpdateExpression=update,
                ConditionExpression=_LIVING,
                ExpressionAttributeNames={**names, "#u": "uuid"},
                ReturnValues="ALL_NEW",
                **({"ExpressionAttributeValues": to_item(values)} if values else {}),  # type: ignore[arg-type]
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise NotFound("There is no such collection.") from error
        return to_collection(answer["Attributes"])

    def begin_deletion(self, collection: Collection, now: datetime) -> None:
        for _ in range(REGISTRY_WRITE_ATTEMPTS):
            codes = self._mark_deleted(collection, now)
            if not codes:
                return
            current = self._client.get_item(
                TableName=self._collections,
                Key=to_item({"account": collection.account, "uuid": collection.uuid}),
                ConsistentRead=True,
            ).get("Item")
            if not current or "deleted_at" in current:
                raise NotFound("There is no such collection.")
            collection = to_collection(current)  # it has been synced since it was read
        raise Unavailable("The collection is being synced. Try again in a moment, or cancel the sync first.")

    def _mark_deleted(self, collection: Collection, now: datetime) -> list[str]:
        """In one transaction, if what the collection has is as it was read; what it has is the account's no more."""
        mark = {
            "TableName": self._collections,
            "Key": to_item({"account": collection.account, "uuid": collection.uuid}),
            "UpdateExpression": "SET deleted_at = :now REMOVE auto_sync_interval",
            "ConditionExpression": f"{_LIVING} AND total_files = :files AND total_size = :size",
            "ExpressionAttributeNames": {"#u": "uuid"},
            "ExpressionAttributeValues": to_item(
                {":now": now, ":files": collection.total_files, ":size": collection.total_size}
            ),
        }
        count = self._count(collection.account, -1)
        parts: list[Any] = [{"Update": mark}, {"Update": count}]
        if collection.type is CollectionType.S3:
            # The files of a managed one give their share back as they are cleared away.
            count["UpdateExpression"] += f", {ADD_TOTALS}"
            count["ExpressionAttributeNames"] = TOTAL_NAMES
            count["ExpressionAttributeValues"] |= to_item(
                {":files": -collection.total_files, ":bytes": -collection.total_size}
            )
            free = {
                "TableName": self._accounts,
                "Key": _source_key(collection.account, collection.bucket, collection.prefix),
                "UpdateExpression": "REMOVE #c",
                "ExpressionAttributeNames": {"#c": "collection"},
            }
            parts.append({"Update": free})
        return transact(self._client, parts)

    def deleted(self, account: str, uuid: str) -> Collection | None:
        key = to_item({"account": account, "uuid": uuid})
        found = self._client.get_item(TableName=self._collections, Key=key, ConsistentRead=True).get("Item")
        return to_collection(found) if found and "deleted_at" in found else None

    def end_deletion(self, account: str, uuid: str) -> None:
        self._client.delete_item(
            TableName=self._collections,
            Key=to_item({"account": account, "uuid": uuid}),
            ConditionExpression="attribute_not_exists(#u) OR attribute_exists(deleted_at)",
            ExpressionAttributeNames={"#u": "uuid"},
        )

    def _take(self, collection: Collection) -> Any:
        """Put the collection on its bucket's folder, unless another is there."""
        return {
            "TableName": self._accounts,
            "Key": _source_key(collection.account, collection.bucket, collection.prefix),
            "UpdateExpression": "SET #c = :uuid",
            "ConditionExpression": "attribute_not_exists(#c)",
            "ExpressionAttributeNames": {"#c": "collection"},
            "ExpressionAttributeValues": to_item({":uuid": collection.uuid}),
        }

    def _count(self, account: str, step: int) -> Any:
        return {
            "TableName": self._accounts,
            "Key": usage_key(account),
            "UpdateExpression": "ADD collections :step",
            "ExpressionAttributeValues": to_item({":step": step}),
        }


_LIVING = "attribute_exists(#u) AND attribute_not_exists(deleted_at)"
_FULL = "The plan allows {limit} collections, and there are as many. Delete one, or change the plan."


def _source_key(account: str, bucket: str, prefix: str) -> dict[str, Any]:
    return to_item({"pk": f"account#{account}", "sk": f"source#{bucket}/{prefix}"})
