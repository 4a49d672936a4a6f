"""Writes records anew that an earlier version of the application has written with their images inside."""

from typing import TYPE_CHECKING

from chalicelib.adapters.dynamodb.images import DynamoDBImages
from chalicelib.adapters.dynamodb.records import list_query, record_from_item, record_put
from chalicelib.adapters.parallel import call_each
from chalicelib.domain.files import FileRecord, RenewedPage

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

RECORDS_PER_PAGE = 100


def renew_page(
    client: "DynamoDBClient", table: str, images: DynamoDBImages, collection: str, after: str | None
) -> RenewedPage:
    """Renew a page of a collection's records; see ``ports.Catalogue.renew_page``.

    A record keeps its version, so a worker that has read it can still write it. Its image is stored before. If another
    worker replaces the record between the two writes, the image stays until the file is purged; and if a purge does,
    until orphaned images are deleted.
    """
    query = list_query(table, collection, None, after)
    query["FilterExpression"] = "attribute_exists(#vector)"
    query["ExpressionAttributeNames"] |= {"#vector": "vector"}
    query["ExpressionAttributeNames"].pop("#state")
    query["ExpressionAttributeValues"].pop(":state")
    page = client.query(**query, Limit=RECORDS_PER_PAGE)
    records = [record_from_item(item, None) for item in page["Items"]]
    images.put(records)

    def renew(record: FileRecord) -> bool:
        try:
            client.put_item(**record_put(table, record, record))
        except client.exceptions.ConditionalCheckFailedException:
            return False  # another worker has written it, and so renewed it
        return True

    renewed = sum(call_each(renew, records))
    last = page.get("LastEvaluatedKey")
    return RenewedPage(renewed, last["key"]["S"] if last else None)
