"""Uploads and what they take of an account's allowances, in DynamoDB.

In the account's partition (``account#UUID``): ``usage`` counts collections, managed files and bytes, each month's
uploads, and ``files`` and ``bytes`` of all that it has, which the catalogue moves too; ``upload#COLLECTION#ID`` is an
upload; ``object#COLLECTION#HASH`` is a stored file, with the bytes charged for it and who is changing it at the
moment. What moves together is written in one transaction, under conditions, so counts neither oversell nor drift,
whoever crashes.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, time, to_item
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.adapters.dynamodb.usage import ADD_TOTALS, TOTAL_NAMES, usage_key
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.plans import Plan
from chalicelib.domain.uploads import FileLock, Upload, UploadRef, UploadState, Usage

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

UPLOAD_RECORD_RETENTION = timedelta(
    days=1
)  # an upload that has ended: whoever asks for its completion is told how it did
UPLOADS_PER_PAGE = 25
_OPEN = "#state = :pending"


class DynamoDBQuotaLedger:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def usage(self, account: str, month: str) -> Usage:
        values = self._get(account, "usage") or {}
        names = ("collections", "managed_files", "managed_bytes", _month(month), "files", "bytes")
        return Usage(*(values.get(name, 0) for name in names))

    def reserve(self, upload: Upload, plan: Plan) -> bool:
        if plan.files < 1 or min(plan.managed_bytes, plan.bytes) < upload.size or plan.uploads_a_month < 1:
            return False
        usage = self._usage(upload, 1)
        usage["ConditionExpression"] = (
            "(attribute_not_exists(#month) OR #month < :uploads) AND "
            "(attribute_not_exists(#files) OR #files < :files) AND "
            "(attribute_not_exists(#bytes) OR #bytes <= :room) AND "
            "(attribute_not_exists(managed_bytes) OR managed_bytes <= :managed)"
        )
        limits = {
            ":uploads": plan.uploads_a_month,
            ":files": plan.files,
            ":room": plan.bytes - upload.size,
            ":managed": plan.managed_bytes - upload.size,
        }
        usage["ExpressionAttributeValues"] |= to_item(limits)
        put = {"TableName": self._table, "Item": _item(upload)}
        return not transact(self._client, [{"Update": usage}, {"Put": put}])

    def upload(self, ref: UploadRef) -> Upload | None:
        values = self._get(ref.account, f"upload#{ref.collection}#{ref.id}")
        return _upload(values) if values else None

    def expired(self, account: str, now: datetime) -> list[Upload]:
        uploads = (_upload(from_item(item)) for item in self._query(account, "upload#"))
        return [upload for upload in uploads if upload.state is UploadState.PENDING and upload.expires_at < now]

    def refund(self, upload: Upload, reason: str, detail: str, now: datetime) -> bool:
        values = {":state": UploadState.FAILED, ":reason": reason, ":detail": detail}
        ended = self._ended(upload, "reason = :reason, detail = :detail", values, now)
        return not transact(self._client, [{"Update": ended}, {"Update": self._usage(upload, -1)}])

    def lock(self, upload: UploadRef, key: str, holder: str, now: datetime, until: datetime) -> FileLock | None:
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=_object_key(upload.account, upload.collection, key),
                UpdateExpression="SET held_by = :holder, held_until = :until",
                ConditionExpression="attribute_not_exists(held_until) OR held_until < :now",
                ExpressionAttributeValues=to_item({":holder": holder, ":until": until, ":now": now}),
                ReturnValues="ALL_NEW",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        charged = from_item(answer["Attributes"]).get("charged")
        return FileLock(upload.account, upload.collection, key, holder, charged)

    def unlock(self, claim: FileLock) -> None:
        key, held = _object_key(claim.account, claim.collection, claim.key), {":holder": claim.holder}
        if claim.charged is None:  # there is nothing to remember of the file
            act: Any = self._client.delete_item
            update = {}
        else:
            act, update = self._client.update_item, {"UpdateExpression": "REMOVE held_by, held_until"}
        try:
            act(
                TableName=self._table,
                Key=key,
                ConditionExpression="held_by = :holder",
                ExpressionAttributeValues=to_item(held),
                **update,
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return  # it ran out, and another worker has it

    def complete(self, upload: Upload, claim: FileLock, mime_type: str, now: datetime) -> None:
        ended = self._ended(upload, "mime_type = :kind", {":state": UploadState.DONE, ":kind": mime_type}, now)
        stored = {
            "TableName": self._table,
            "Key": _object_key(claim.account, claim.collection, claim.key),
            "UpdateExpression": "SET charged = :size REMOVE held_by, held_until",
            "ConditionExpression": "held_by = :holder",
            "ExpressionAttributeValues": to_item({":size": upload.size, ":holder": claim.holder}),
        }
        parts: list[Any] = [{"Update": ended}, {"Update": stored}]
        if claim.charged is not None:  # the version that was there before is no more
            parts.append({"Update": self._refund(claim.account, 1, claim.charged)})
        self._insist(parts)

    def refund_file(self, claim: FileLock) -> None:
        key = _object_key(claim.account, claim.collection, claim.key)
        delete = {
            "TableName": self._table,
            "Key": key,
            "ConditionExpression": "held_by = :holder",
            "ExpressionAttributeValues": to_item({":holder": claim.holder}),
        }
        parts: list[Any] = [{"Delete": delete}]
        if claim.charged is not None:
            parts.append({"Update": self._refund(claim.account, 1, claim.charged)})
        self._insist(parts)

    def fix_usage(self, account: str, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        names = (":was_files", ":was_bytes", ":files", ":bytes")
        as_stated = "#files = :was_files AND #bytes = :was_bytes"
        if stated == (0, 0):  # perhaps of an account from before they were counted
            as_stated = f"attribute_not_exists(#files) OR ({as_stated})"
        try:
            self._client.update_item(
                TableName=self._table,
                Key=usage_key(account),
                UpdateExpression="SET #files = :files, #bytes = :bytes",
                ConditionExpression=as_stated,
                ExpressionAttributeNames=TOTAL_NAMES,
                ExpressionAttributeValues=to_item(dict(zip(names, (*stated, *counted), strict=True))),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def delete_page(self, account: str, collection: str, now: datetime) -> bool:
        uploads = self._page(account, f"upload#{collection}#")
        for upload in map(_upload, uploads):
            if upload.state is UploadState.PENDING:
                self.refund(upload, "collection_deleted", "Its collection was deleted.", now)
            self._client.delete_item(TableName=self._table, Key=_key(account, f"upload#{collection}#{upload.id}"))
        objects = self._page(account, f"object#{collection}#")
        if objects:
            size = sum(values.get("charged", 0) for values in objects)
            files = sum("charged" in values for values in objects)
            deletes = [{"Delete": self._as_it_was(values)} for values in objects]
            self._insist([*deletes, {"Update": self._refund(account, files, size)}])
        return bool(uploads or objects)

    def _as_it_was(self, values: dict[str, Any]) -> Any:
        delete: dict[str, Any] = {"TableName": self._table, "Key": to_item({"pk": values["pk"], "sk": values["sk"]})}
        if "charged" not in values:
            return {**delete, "ConditionExpression": "attribute_not_exists(charged)"}
        charged = to_item({":charged": values["charged"]})
        return {**delete, "ConditionExpression": "charged = :charged", "ExpressionAttributeValues": charged}

    def _usage(self, upload: Upload, sign: int) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Key": usage_key(upload.account),
            "UpdateExpression": "ADD managed_files :one, managed_bytes :size, #files :one, #bytes :size, #month :one",
            "ExpressionAttributeNames": {"#month": _month(upload.month), **TOTAL_NAMES},
            "ExpressionAttributeValues": to_item({":one": sign, ":size": sign * upload.size}),
        }

    def _refund(self, account: str, files: int, size: int) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Key": usage_key(account),
            "UpdateExpression": f"ADD managed_files :files, managed_bytes :bytes, {ADD_TOTALS}",
            "ExpressionAttributeNames": TOTAL_NAMES,
            "ExpressionAttributeValues": to_item({":files": -files, ":bytes": -size}),
        }

    def _ended(self, upload: Upload, settings: str, values: dict[str, Any], now: datetime) -> dict[str, Any]:
        purge = int((now + UPLOAD_RECORD_RETENTION).timestamp())
        return {
            "TableName": self._table,
            "Key": _key(upload.account, f"upload#{upload.collection}#{upload.id}"),
            "UpdateExpression": f"SET #state = :state, purge_at = :purge, {settings}",
            "ConditionExpression": _OPEN,
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({**values, ":pending": UploadState.PENDING, ":purge": purge}),
        }

    def _insist(self, parts: list[Any]) -> None:
        if transact(self._client, parts):
            raise Unavailable("The file is being changed by another request. Try again in a moment.")

    def _get(self, account: str, what: str) -> dict[str, Any] | None:
        found = self._client.get_item(TableName=self._table, Key=_key(account, what), ConsistentRead=True).get("Item")
        return from_item(found) if found else None

    def _page(self, account: str, prefix: str) -> list[dict[str, Any]]:
        found = self._client.query(**self._below(account, prefix), Limit=UPLOADS_PER_PAGE)["Items"]
        return [from_item(item) for item in found]

    def _query(self, account: str, prefix: str) -> Iterator[Any]:
        for page in self._client.get_paginator("query").paginate(**self._below(account, prefix)):
            yield from page["Items"]

    def _below(self, account: str, prefix: str) -> Any:
        return {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
            "ExpressionAttributeValues": to_item({":pk": f"account#{account}", ":sk": prefix}),
        }


def _key(account: str, what: str) -> dict[str, Any]:
    return to_item({"pk": f"account#{account}", "sk": what})


def _object_key(account: str, collection: str, key: str) -> dict[str, Any]:
    # Hashed: a sort key has 1,024 bytes, which an object's key may have by itself.
    return _key(account, f"object#{collection}#{sha256(key.encode()).hexdigest()}")


def _month(month: str) -> str:
    return f"uploads#{month}"


def _item(upload: Upload) -> dict[str, Any]:
    return {
        **_key(upload.account, f"upload#{upload.collection}#{upload.id}"),
        **to_item(
            {
                "id": upload.id,
                "account": upload.account,
                "collection": upload.collection,
                "key": upload.key,
                "size": upload.size,
                "folder": upload.folder,
                "month": upload.month,
                "created_at": upload.created_at,
                "expires_at": upload.expires_at,
                "only_new": upload.only_new,
                "state": upload.state,
            }
        ),
    }


def _upload(values: dict[str, Any]) -> Upload:
    created, expires = time(values["created_at"]), time(values["expires_at"])
    assert created is not None and expires is not None
    return Upload(
        id=values["id"],
        account=values["account"],
        collection=values["collection"],
        key=values["key"],
        size=values["size"],
        folder=values["folder"],
        month=values["month"],
        created_at=created,
        expires_at=expires,
        only_new=values["only_new"],
        state=UploadState(values["state"]),
        mime_type=values.get("mime_type"),
        reason=values.get("reason"),
        detail=values.get("detail"),
    )
