"""Domain values in the API's own words, field by field as the contract has them."""

from datetime import datetime
from typing import Any

from chalicelib.domain.collections import Collection
from chalicelib.domain.vectors import Hit

DISTANCE_DIGITS = 6  # float32 tells no more, and the same picture comes out as 0.0


def hit(found: Hit, base_url: str) -> dict[str, Any]:
    return {
        "uuid": found.uuid,
        "file_name": found.key.rpartition("/")[2],
        "file_size": found.size,
        "md5": found.md5,
        "thumbnail": f"{base_url}/media/{found.collection}/{found.uuid}.jpg",
        "s3_uri": f"s3://{found.bucket}/{found.key}",
        "download_url": f"{base_url}/collections/download/{found.uuid}/",
        "distance": abs(round(found.distance, DISTANCE_DIGITS)),
    }


def collection(shown: Collection, now: datetime) -> dict[str, Any]:
    return {
        "uuid": shown.uuid,
        "name": shown.name,
        "bucket": shown.bucket,
        "folder": shown.folder,
        "type": shown.type.value,
        "region": shown.region,
        "sync_status": shown.sync.status_at(now).value,
        "last_sync": time(shown.sync.last_sync),
        "auto_sync_interval": shown.auto_sync.value,
        "stats": {"total_files": shown.total_files, "total_size": shown.total_size},
    }


def sync_status(shown: Collection, now: datetime) -> dict[str, Any]:
    return {
        "status": shown.sync.status_at(now).value,
        "last_sync": time(shown.sync.last_manual_sync),
        "last_auto_sync": time(shown.sync.last_auto_sync),
    }


def time(moment: datetime | None) -> str | None:
    """ISO 8601 with microseconds and offset; null for what has not happened yet."""
    return moment.isoformat(timespec="microseconds") if moment else None
