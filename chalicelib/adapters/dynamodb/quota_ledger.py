"""Uploads and the quota they reserve, in DynamoDB.

In the account's partition (``account#UUID``), ``usage`` counts collections, managed files and bytes, each month's
uploads, and ``files`` and ``bytes`` of everything the account has, which the catalogue updates too.
``upload#COLLECTION#ID`` is an upload. ``object#COLLECTION#HASH`` is a stored file, with the bytes charged for it and
its lock. What changes together is written in one conditional transaction, so that counts neither exceed the plan nor
drift, even after crashes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.items import from_item, to_item
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.adapters.dynamodb.usage import ADD_TOTALS, TOTAL_NAMES, usage_key
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.metadata import metadata_from_json, metadata_to_json
from chalicelib.domain.plans import Plan
from chalicelib.domain.uploads import (
    LOCKED,
    FileClaim,
    FileLock,
    NameRule,
    Upload,
    UploadPage,
    UploadRef,
    UploadState,
    Usage,
)

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

# How long an ended upload is kept, so that repeated requests to complete it return the same outcome.
UPLOAD_RECORD_RETENTION = timedelta(days=1)
ITEMS_PER_DELETED_PAGE = 25
_UNLOCK = "REMOVE locked_by, locked_until, locked_md5"
ITEMS_PER_LISTED_PAGE = 250  # that are read for a page of pending uploads; those that have ended are left out


class DynamoDBQuotaLedger:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def usage(self, account: str, month: str) -> Usage:
        values = self._get(account, "usage") or {}
        names = ("collections", "managed_files", "managed_bytes", _month_counter(month), "files", "bytes")
        return Usage(*(values.get(name, 0) for name in names))

    def reserve(self, upload: Upload, plan: Plan) -> bool:
        if plan.files < 1 or min(plan.managed_bytes, plan.bytes) < upload.size or plan.uploads_a_month < 1:
            return False
        usage = self._upload_usage(upload, 1)
        usage["ConditionExpression"] = (
            "(attribute_not_exists(#month) OR #month < :max_uploads) AND "
            "(attribute_not_exists(#files) OR #files < :max_files) AND "
            "(attribute_not_exists(#bytes) OR #bytes <= :max_bytes_before) AND "
            "(attribute_not_exists(managed_bytes) OR managed_bytes <= :max_managed_before)"
        )
        limits = {
            ":max_uploads": plan.uploads_a_month,
            ":max_files": plan.files,
            ":max_bytes_before": plan.bytes - upload.size,
            ":max_managed_before": plan.managed_bytes - upload.size,
        }
        usage["ExpressionAttributeValues"] |= to_item(limits)
        put = {"TableName": self._table, "Item": _upload_to_item(upload)}
        return not transact(self._client, [{"Update": usage}, {"Put": put}])

    def upload(self, ref: UploadRef) -> Upload | None:
        values = self._get(ref.account, f"upload#{ref.collection}#{ref.id}")
        return _upload(values) if values else None

    def pending_uploads(
        self, account: str, collection: str, folder: str, *, after: str | None, limit: int
    ) -> UploadPage:
        prefix = f"upload#{collection}#"
        query = self._with_prefix(account, prefix)
        query["FilterExpression"] = "#state = :pending AND folder = :folder"
        query["ExpressionAttributeNames"] = {"#state": "state"}
        query["ExpressionAttributeValues"] |= to_item({":pending": UploadState.PENDING, ":folder": folder})
        if after is not None:
            query["ExclusiveStartKey"] = _key(account, prefix + after)
        response = self._client.query(**query, Limit=ITEMS_PER_LISTED_PAGE)
        uploads = [_upload(from_item(item)) for item in response["Items"]]
        if len(uploads) > limit:
            return UploadPage(uploads[:limit], uploads[limit - 1].id)
        last = response.get("LastEvaluatedKey")
        return UploadPage(uploads, from_item(last)["sk"].removeprefix(prefix) if last else None)

    def refund(self, upload: Upload, reason: str, detail: str, now: datetime) -> bool:
        values = {":state": UploadState.FAILED, ":reason": reason, ":detail": detail}
        end = self._end(upload, "reason = :reason, detail = :detail", values, now)
        return not transact(self._client, [{"Update": end}, {"Update": self._upload_usage(upload, -1)}])

    def claims(self, account: str, collection: str, keys: Sequence[str], now: datetime) -> Mapping[str, FileClaim]:
        item_keys = {key: _object_key(account, collection, key) for key in keys}
        by_sort_key = {item_key["sk"]["S"]: key for key, item_key in item_keys.items()}
        items = batches.read(self._client, self._table, list(item_keys.values()))
        return {by_sort_key[item["sk"]["S"]]: _claim(from_item(item), now) for item in items}

    def lock(
        self,
        upload: UploadRef,
        key: str,
        owner: str,
        now: datetime,
        expires_at: datetime,
        md5: str | None = None,
    ) -> FileLock | None:
        values = {":owner": owner, ":expires_at": expires_at, ":now": now, ":md5": md5}
        changes = "SET locked_by = :owner, locked_until = :expires_at"
        changes += " REMOVE locked_md5" if md5 is None else ", locked_md5 = :md5"
        try:
            response = self._client.update_item(
                TableName=self._table,
                Key=_object_key(upload.account, upload.collection, key),
                UpdateExpression=changes,
                ConditionExpression="attribute_not_exists(locked_until) OR locked_until < :now",
                ExpressionAttributeValues=to_item(values),
                ReturnValues="ALL_NEW",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return None
        item = from_item(response["Attributes"])
        return FileLock(upload.account, upload.collection, key, owner, item.get("charged"), item.get("md5"))

    def unlock(self, lock: FileLock) -> None:
        locked = self._locked(lock)
        try:
            if lock.charged is None:  # no file is stored: without its lock, the item has nothing to say
                self._client.delete_item(**locked)
            else:
                self._client.update_item(**locked, UpdateExpression=_UNLOCK)
        except self._client.exceptions.ConditionalCheckFailedException:
            return  # the lock has expired, and another worker has it

    def set_target(self, upload: Upload) -> None:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_upload_key(upload),
                UpdateExpression="SET moved_to = :key",
                ConditionExpression="#state = :pending",
                ExpressionAttributeNames={"#state": "state"},
                ExpressionAttributeValues=to_item({":key": upload.target, ":pending": UploadState.PENDING}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise Unavailable(LOCKED) from None

    def complete(self, upload: Upload, lock: FileLock, md5: str, now: datetime) -> None:
        stored = self._locked(lock)
        stored["UpdateExpression"] = f"SET charged = :size, md5 = :md5 {_UNLOCK}"
        stored["ExpressionAttributeValues"] |= to_item({":size": upload.size, ":md5": md5})
        # The upload's own quota now counts for the file, so that of the version it replaces is released.
        self._write_locked([{"Update": self._done(upload, now)}, {"Update": stored}, *self._file_refund(lock)])

    def complete_duplicate(self, upload: Upload, lock: FileLock, now: datetime) -> None:
        unlock = self._locked(lock) | {"UpdateExpression": _UNLOCK}
        refund = self._upload_usage(upload, -1)
        self._write_locked([{"Update": self._done(upload, now)}, {"Update": unlock}, {"Update": refund}])

    def _done(self, upload: Upload, now: datetime) -> dict[str, Any]:
        values = {
            ":state": UploadState.DONE,
            ":mime_type": upload.mime_type,
            ":target": upload.target,
            ":replaced": upload.replaced,
            ":is_duplicate": upload.is_duplicate,
        }
        assignments = "mime_type = :mime_type, moved_to = :target, replaced = :replaced, is_duplicate = :is_duplicate"
        return self._end(upload, assignments, values, now)

    def refund_file(self, lock: FileLock) -> None:
        self.refund_files([lock])

    def refund_files(self, locks: Sequence[FileLock]) -> None:
        charged = [lock.charged for lock in locks if lock.charged is not None]
        refunds = [{"Update": self._refund(locks[0].account, len(charged), sum(charged))}] if charged else []
        self._write_locked([*({"Delete": self._locked(lock)} for lock in locks), *refunds])

    def move_charge(self, source: FileLock, target: FileLock) -> None:
        freed = self._locked(source)
        freed["UpdateExpression"] = "REMOVE charged, md5"
        charged = self._locked(target)
        charged["UpdateExpression"] = f"SET charged = :size, md5 = :md5 {_UNLOCK}"
        charged["ExpressionAttributeValues"] |= to_item({":size": source.charged, ":md5": source.md5 or ""})
        self._write_locked([{"Update": freed}, {"Update": charged}])

    def fix_usage(self, account: str, stated: tuple[int, int], counted: tuple[int, int]) -> bool:
        names = (":stated_files", ":stated_bytes", ":files", ":bytes")
        condition = "#files = :stated_files AND #bytes = :stated_bytes"
        if stated == (0, 0):  # nothing has been counted yet
            condition = f"attribute_not_exists(#files) OR ({condition})"
        try:
            self._client.update_item(
                TableName=self._table,
                Key=usage_key(account),
                UpdateExpression="SET #files = :files, #bytes = :bytes",
                ConditionExpression=condition,
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
            deletes = [{"Delete": self._delete_unchanged(values)} for values in objects]
            self._write_locked([*deletes, {"Update": self._refund(account, files, size)}])
        return bool(uploads or objects)

    def _delete_unchanged(self, values: dict[str, Any]) -> Any:
        """Return the deletion of an object's item, on condition that the same bytes are charged for it."""
        delete: dict[str, Any] = {"TableName": self._table, "Key": to_item({"pk": values["pk"], "sk": values["sk"]})}
        if "charged" not in values:
            return {**delete, "ConditionExpression": "attribute_not_exists(charged)"}
        charged = to_item({":charged": values["charged"]})
        return {**delete, "ConditionExpression": "charged = :charged", "ExpressionAttributeValues": charged}

    def _upload_usage(self, upload: Upload, sign: int) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Key": usage_key(upload.account),
            "UpdateExpression": "ADD managed_files :one, managed_bytes :size, #files :one, #bytes :size, #month :one",
            "ExpressionAttributeNames": {"#month": _month_counter(upload.month), **TOTAL_NAMES},
            "ExpressionAttributeValues": to_item({":one": sign, ":size": sign * upload.size}),
        }

    def _file_refund(self, lock: FileLock) -> list[Any]:
        """Return the part of a transaction that releases the quota of the stored file, if there is one."""
        return [] if lock.charged is None else [{"Update": self._refund(lock.account, 1, lock.charged)}]

    def _refund(self, account: str, files: int, size: int) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Key": usage_key(account),
            "UpdateExpression": f"ADD managed_files :files, managed_bytes :bytes, {ADD_TOTALS}",
            "ExpressionAttributeNames": TOTAL_NAMES,
            "ExpressionAttributeValues": to_item({":files": -files, ":bytes": -size}),
        }

    def _end(self, upload: Upload, assignments: str, values: dict[str, Any], now: datetime) -> dict[str, Any]:
        purge_at = int((now + UPLOAD_RECORD_RETENTION).timestamp())
        return {
            "TableName": self._table,
            "Key": _upload_key(upload),
            "UpdateExpression": f"SET #state = :state, purge_at = :purge_at, {assignments}",
            "ConditionExpression": "#state = :pending",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": to_item({**values, ":pending": UploadState.PENDING, ":purge_at": purge_at}),
        }

    def _locked(self, lock: FileLock) -> dict[str, Any]:
        """Return the parameters of a write to a file's item, on condition that the lock is not lost."""
        return {
            "TableName": self._table,
            "Key": _object_key(lock.account, lock.collection, lock.key),
            "ConditionExpression": "locked_by = :owner",
            "ExpressionAttributeValues": to_item({":owner": lock.holder}),
        }

    def _write_locked(self, parts: list[Any]) -> None:
        if transact(self._client, parts):
            raise Unavailable(LOCKED)

    def _get(self, account: str, sort_key: str) -> dict[str, Any] | None:
        key = _key(account, sort_key)
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        return from_item(item) if item else None

    def _page(self, account: str, prefix: str) -> list[dict[str, Any]]:
        items = self._client.query(**self._with_prefix(account, prefix), Limit=ITEMS_PER_DELETED_PAGE)["Items"]
        return [from_item(item) for item in items]

    def _with_prefix(self, account: str, prefix: str) -> Any:
        return {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :sk)",
            "ExpressionAttributeValues": to_item({":pk": f"account#{account}", ":sk": prefix}),
        }


def _key(account: str, sort_key: str) -> dict[str, Any]:
    return to_item({"pk": f"account#{account}", "sk": sort_key})


def _upload_key(upload: Upload) -> dict[str, Any]:
    return _key(upload.account, f"upload#{upload.collection}#{upload.id}")


def _claim(values: dict[str, Any], now: datetime) -> FileClaim:
    is_locked = "locked_until" in values and datetime.fromisoformat(values["locked_until"]) >= now
    locked_md5 = values.get("locked_md5") if is_locked else None
    return FileClaim(values.get("charged"), values.get("md5"), is_locked, locked_md5)


def _object_key(account: str, collection: str, key: str) -> dict[str, Any]:
    # Hashed: a sort key has 1,024 bytes at most, which an object's key may need for itself.
    return _key(account, f"object#{collection}#{sha256(key.encode()).hexdigest()}")


def _month_counter(month: str) -> str:
    return f"uploads#{month}"


def _upload_to_item(upload: Upload) -> dict[str, Any]:
    return {
        **_upload_key(upload),
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
                "rule": upload.rule,
                "md5": upload.md5,
                "metadata": None if upload.metadata is None else metadata_to_json(upload.metadata),
                "moved_to": upload.moved_to,
                "state": upload.state,
            }
        ),
    }


def _upload(values: dict[str, Any]) -> Upload:
    return Upload(
        id=values["id"],
        account=values["account"],
        collection=values["collection"],
        key=values["key"],
        size=values["size"],
        folder=values["folder"],
        month=values["month"],
        created_at=datetime.fromisoformat(values["created_at"]),
        expires_at=datetime.fromisoformat(values["expires_at"]),
        rule=NameRule(values["rule"]),
        md5=values.get("md5"),
        metadata=metadata_from_json(values["metadata"]) if "metadata" in values else None,
        moved_to=values.get("moved_to"),
        state=UploadState(values["state"]),
        mime_type=values.get("mime_type"),
        replaced=values.get("replaced", False),
        is_duplicate=values.get("is_duplicate", False),
        reason=values.get("reason"),
        detail=values.get("detail"),
    )
