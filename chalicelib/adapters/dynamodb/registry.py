"""The registry of collections in DynamoDB.

Beside the collection's own item, the accounts table has ``account#UUID``/``usage`` with the number of collections, and
``account#UUID``/``source#BUCKET/PREFIX`` with the collection on a bucket's folder (before BUCKET stands a digest of its
server, if it is not on AWS). One transaction writes all three, so that the count and the uniqueness always hold.

``account#UUID``/``external-ids`` has the secret from which the account's external ids are derived: a check of a bucket
stores nothing. An external id that ``source#BUCKET/PREFIX`` has itself is older than the secret, and stays.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.collections import (
    DEFAULT_PATTERNS,
    collection_from_item,
    collection_to_item,
    patterns_to_values,
    server_to_values,
)
from chalicelib.adapters.dynamodb.items import from_item, to_attribute, to_item
from chalicelib.adapters.dynamodb.refusals import CONDITION_FAILED
from chalicelib.adapters.dynamodb.retries import OF_A_REQUEST
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.adapters.dynamodb.usage import ADD_TOTALS, TOTAL_NAMES, usage_key
from chalicelib.domain.collections import AutoSync, Collection, CollectionType
from chalicelib.domain.errors import DuplicateCollection, NotFound, QuotaExceeded, StaleWrite, Unavailable
from chalicelib.domain.storage_servers import ETagMeaning

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

EXTERNAL_IDS_SORT_KEY = "external-ids"  # of the item with the secret
SECRET_BYTES = 32
EXTERNAL_ID_BYTES = 24  # 192 bits, 32 characters in base64; STS takes 2 to 1,224 characters
_SERVER_DIGITS = 16  # of a server's digest
_NOT_DELETED = "attribute_exists(#u) AND attribute_not_exists(deleted_at)"


class DynamoDBRegistry:
    def __init__(self, client: "DynamoDBClient", accounts_table: str, collections_table: str) -> None:
        self._client = client
        self._accounts = accounts_table
        self._collections = collections_table

    def external_id(self, account: str, bucket: str, prefix: str) -> str:
        stored = self._accounts_item(_source_key(account, bucket, prefix))
        if "external_id" in stored:
            return str(stored["external_id"])
        secret = self._accounts_item(_secret_key(account)).get("external_id_secret") or self._new_secret(account)
        return _derived_external_id(secret, bucket, prefix)

    def _new_secret(self, account: str) -> bytes:
        """Store the account's secret, unless another request has done so; returns the one that is stored."""
        response = self._client.update_item(
            TableName=self._accounts,
            Key=_secret_key(account),
            UpdateExpression="SET external_id_secret = if_not_exists(external_id_secret, :new)",
            ExpressionAttributeValues=to_item({":new": secrets.token_bytes(SECRET_BYTES)}),
            ReturnValues="ALL_NEW",
        )
        return bytes(from_item(response["Attributes"])["external_id_secret"])

    def _accounts_item(self, key: dict[str, Any]) -> dict[str, Any]:
        item = self._client.get_item(TableName=self._accounts, Key=key, ConsistentRead=True).get("Item")
        return from_item(item) if item else {}

    def add(self, collection: Collection, limit: int) -> None:
        if limit < 1:
            raise _limit_reached(limit)
        put = {"TableName": self._collections, "Item": collection_to_item(collection)}  # its uuid is new
        count = self._count_update(collection.account, 1)
        count["ConditionExpression"] = "attribute_not_exists(collections) OR collections < :limit"
        count["ExpressionAttributeValues"][":limit"] = to_attribute(limit)
        parts: list[Any] = [{"Put": put}, {"Update": count}]
        if collection.type is CollectionType.S3:
            parts.append({"Update": self._take_folder(collection)})
        failures = transact(self._client, parts)
        if failures.get(1) == CONDITION_FAILED:
            raise _limit_reached(limit)
        if failures.get(2) == CONDITION_FAILED:
            raise DuplicateCollection("You already have a collection on this folder of the bucket.", field="bucket")

    def change(self, collection: Collection, changes: Mapping[str, Any]) -> Collection:
        patterns = patterns_to_values({name: changes[name] for name in DEFAULT_PATTERNS if name in changes})
        server = server_to_values(changes.get("server"))
        values_of = {**{name: value for name, value in changes.items() if name != "server"}, **patterns, **server}
        # Without a schedule the attribute is removed, so that the index by interval has only collections with one.
        stored = {name: None if value is AutoSync.MANUAL else value for name, value in values_of.items()}
        removed = {f"#n{number}": name for number, name in enumerate(stored) if stored[name] is None}
        assigned = {f"#n{number}": name for number, name in enumerate(stored) if stored[name] is not None}
        values = {placeholder.replace("#n", ":v"): stored[name] for placeholder, name in assigned.items()}
        assignments = ", ".join(f"{name} = {value}" for name, value in zip(assigned, values, strict=True))
        update = (f"SET {assignments} " if assigned else "") + (f"REMOVE {', '.join(removed)}" if removed else "")
        try:
            response = self._client.update_item(
                TableName=self._collections,
                Key=_collection_key(collection),
                UpdateExpression=update,
                ConditionExpression=_NOT_DELETED,
                ExpressionAttributeNames={**assigned, **removed, "#u": "uuid"},
                ReturnValues="ALL_NEW",
                **({"ExpressionAttributeValues": to_item(values)} if values else {}),  # type: ignore[arg-type]
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise NotFound("There is no such collection.") from error
        return collection_from_item(response["Attributes"])

    def save_etags(self, collection: Collection, etags: ETagMeaning) -> None:
        assert collection.server is not None
        try:
            self._client.update_item(
                TableName=self._collections,
                Key=_collection_key(collection),
                UpdateExpression="SET etags = :etags",
                ConditionExpression=f"{_NOT_DELETED} AND sealed_secret = :secret",
                ExpressionAttributeNames={"#u": "uuid"},
                ExpressionAttributeValues=to_item({":etags": etags, ":secret": collection.server.sealed_secret}),
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            raise StaleWrite(f"The access key of the collection {collection.uuid} was changed meanwhile.") from error

    def begin_deletion(self, collection: Collection, now: datetime) -> None:
        for _ in OF_A_REQUEST.attempts():
            if not self._set_deleted_at(collection, now):
                return
            current = self._client.get_item(
                TableName=self._collections, Key=_collection_key(collection), ConsistentRead=True
            ).get("Item")
            if not current or "deleted_at" in current:
                raise NotFound("There is no such collection.")
            collection = collection_from_item(current)  # its statistics have changed since it was read
        raise Unavailable("The collection is being synced. Try again in a moment, or cancel the sync first.")

    def _set_deleted_at(self, collection: Collection, now: datetime) -> dict[int, str]:
        """In one transaction, set the time of deletion and release what the collection takes of the account's plan.

        Returns:
            The failed parts: the collection's statistics are no longer those given, or it is deleted already.
        """
        deletion = {
            "TableName": self._collections,
            "Key": _collection_key(collection),
            "UpdateExpression": "SET deleted_at = :now REMOVE auto_sync_interval",
            "ConditionExpression": f"{_NOT_DELETED} AND total_files = :files AND total_size = :size",
            "ExpressionAttributeNames": {"#u": "uuid"},
            "ExpressionAttributeValues": to_item(
                {":now": now, ":files": collection.total_files, ":size": collection.total_size}
            ),
        }
        count = self._count_update(collection.account, -1)
        parts: list[Any] = [{"Update": deletion}, {"Update": count}]
        if collection.type is CollectionType.S3:
            # A managed collection releases the quota of its files as the worker deletes them.
            count["UpdateExpression"] += f", {ADD_TOTALS}"
            count["ExpressionAttributeNames"] = TOTAL_NAMES
            count["ExpressionAttributeValues"] |= to_item(
                {":files": -collection.total_files, ":bytes": -collection.total_size}
            )
            parts.append(self._release_folder(collection))
        return transact(self._client, parts)

    def deleted(self, account: str, uuid: str) -> Collection | None:
        key = to_item({"account": account, "uuid": uuid})
        item = self._client.get_item(TableName=self._collections, Key=key, ConsistentRead=True).get("Item")
        return collection_from_item(item) if item and "deleted_at" in item else None

    def end_deletion(self, account: str, uuid: str) -> None:
        self._client.delete_item(
            TableName=self._collections,
            Key=to_item({"account": account, "uuid": uuid}),
            ConditionExpression="attribute_not_exists(#u) OR attribute_exists(deleted_at)",
            ExpressionAttributeNames={"#u": "uuid"},
        )

    def has_collections(self, account: str) -> bool:
        response = self._client.query(
            TableName=self._collections,
            ConsistentRead=True,
            KeyConditionExpression="account = :account",
            ExpressionAttributeValues=to_item({":account": account}),
            Limit=1,
        )
        return bool(response["Items"])

    def _release_folder(self, collection: Collection) -> Any:
        """Return the part of a transaction that frees the folder for another collection."""
        key = _folder_key(collection)
        folder: dict[str, Any] = {"TableName": self._accounts, "Key": key}
        if "external_id" not in self._accounts_item(key):
            return {"Delete": folder}
        # Its role demands this id, and may be used again.
        names = {"#c": "collection"}
        return {"Update": {**folder, "UpdateExpression": "REMOVE #c", "ExpressionAttributeNames": names}}

    def _take_folder(self, collection: Collection) -> Any:
        """Return the part of a transaction that sets the folder's collection, unless it has one."""
        return {
            "TableName": self._accounts,
            "Key": _folder_key(collection),
            "UpdateExpression": "SET #c = :uuid",
            "ConditionExpression": "attribute_not_exists(#c)",
            "ExpressionAttributeNames": {"#c": "collection"},
            "ExpressionAttributeValues": to_item({":uuid": collection.uuid}),
        }

    def _count_update(self, account: str, change: int) -> Any:
        return {
            "TableName": self._accounts,
            "Key": usage_key(account),
            "UpdateExpression": "ADD collections :change",
            "ExpressionAttributeValues": to_item({":change": change}),
        }


def _limit_reached(limit: int) -> QuotaExceeded:
    return QuotaExceeded(
        f"The plan allows {limit} collections, and all of them are in use. Delete a collection, or change the plan."
    )


def _collection_key(collection: Collection) -> dict[str, Any]:
    return to_item({"account": collection.account, "uuid": collection.uuid})


def _derived_external_id(secret: bytes, bucket: str, prefix: str) -> str:
    """Without the secret, one folder's external id says nothing about another's."""
    digest = hmac.digest(secret, f"{bucket}/{prefix}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:EXTERNAL_ID_BYTES]).decode()


def _secret_key(account: str) -> dict[str, Any]:
    return to_item({"pk": f"account#{account}", "sk": EXTERNAL_IDS_SORT_KEY})


def _folder_key(collection: Collection) -> dict[str, Any]:
    """Two servers may have buckets of one name. A key has 1,024 bytes, which no URL beside the folder fits into."""
    bucket = collection.bucket
    if collection.server is not None:
        bucket = f"{sha256(collection.server.url.encode()).hexdigest()[:_SERVER_DIGITS]}@{bucket}"
    return _source_key(collection.account, bucket, collection.prefix)


def _source_key(account: str, bucket: str, prefix: str) -> dict[str, Any]:
    return to_item({"pk": f"account#{account}", "sk": f"source#{bucket}/{prefix}"})
