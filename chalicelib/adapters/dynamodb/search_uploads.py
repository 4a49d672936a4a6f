"""Uploads to search by in DynamoDB: ``search-upload#ID`` in the account's partition.

``search-uploads#HOUR`` counts those that were prepared in an hour. It is written first: a crash between the two costs
one of the hour's uploads.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb.items import from_item, to_item
from chalicelib.domain.search_uploads import SearchUpload, hour_of

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

RETENTION = timedelta(hours=1)  # of items that have expired; DynamoDB then deletes them


class DynamoDBSearchUploads:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, upload: SearchUpload, limit: int) -> bool:
        purge_at = int((upload.expires_at + RETENTION).timestamp())
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_key(upload.account, f"search-uploads#{hour_of(upload.created_at)}"),
                UpdateExpression="SET purge_at = :purge_at ADD prepared :one",
                ConditionExpression="attribute_not_exists(prepared) OR prepared < :limit",
                ExpressionAttributeValues=to_item({":purge_at": purge_at, ":one": 1, ":limit": limit}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        values = {
            "size": upload.size,
            "mime_type": upload.mime_type,
            "created_at": upload.created_at,
            "token": upload.token,
            "purge_at": purge_at,
        }
        item = _key(upload.account, f"search-upload#{upload.id}") | to_item(values)
        self._client.put_item(TableName=self._table, Item=item)
        return True

    def get(self, account: str, upload_id: str) -> SearchUpload | None:
        key = _key(account, f"search-upload#{upload_id}")
        item = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")
        if not item:
            return None
        values = from_item(item)
        created_at = datetime.fromisoformat(values["created_at"])
        return SearchUpload(upload_id, account, values["size"], values["mime_type"], created_at, values.get("token"))

    def remove(self, account: str, upload_id: str) -> None:
        self._client.delete_item(TableName=self._table, Key=_key(account, f"search-upload#{upload_id}"))


def _key(account: str, sort_key: str) -> dict[str, Any]:
    return to_item({"pk": f"account#{account}", "sk": sort_key})
