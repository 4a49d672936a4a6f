"""The examples of the API's contract: the fields in their order, and a value of each one's type."""

from typing import Any

FILE = {
    "uuid": "dd09f404-1bd6-4246-a277-b5af21e9da66",
    "file_name": "richard-brutyo-Sg3XwuEpybU-unsplash.jpg",
    "file_size": 702316,
    "md5": "653b6e02f13241e943e0889f0165d627",
    "thumbnail": "https://similarix.com/media/8ff9ef69/dd09f404.jpg",
    "s3_uri": "s3://similarix-test/images/richard-brutyo-Sg3XwuEpybU-unsplash.jpg",
    "download_url": "https://similarix.com/collections/download/dd09f404-1bd6-4246-a277-b5af21e9da66/",
    "distance": 0.79,
}
COLLECTION = {
    "uuid": "8ff9ef69-fd22-4308-ad1e-22c59500d944",
    "name": "test",
    "bucket": "similarix-test",
    "folder": "/images",
    "type": "s3",
    "region": "eu-central-1",
    "sync_status": "completed",
    "last_sync": "2024-09-08T08:57:17.158088+03:00",
    "auto_sync_interval": "daily",
    "stats": {"total_files": 16, "total_size": 46988023},
}
TIMESTAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d"


def contract_part(collection: dict[str, Any]) -> dict[str, Any]:
    """A collection's first fields, which the contract fixes; others stand behind them."""
    return {name: collection[name] for name in list(collection)[: len(COLLECTION)]}


def same_shape(value: Any, example: Any) -> bool:
    """Whether the value has the example's fields in its order, each of its type."""
    if isinstance(example, dict):
        return list(value) == list(example) and all(same_shape(value[name], example[name]) for name in example)
    return type(value) is type(example)
