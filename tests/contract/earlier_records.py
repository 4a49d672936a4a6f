"""Records as version 0.9 has written them: the image inside, and texts for times."""

from typing import Any

from chalicelib.adapters.dynamodb.images import record_content_key
from chalicelib.adapters.dynamodb.items import to_item
from chalicelib.domain.files import FileRecord
from chalicelib.domain.metadata import metadata_to_json


def earlier_item(record: FileRecord) -> dict[str, Any]:
    embedding = record.embedding
    assert embedding is not None
    return to_item(
        {
            "account": record.account,
            "collection": record.collection,
            "key": record.key,
            "uuid": record.uuid,
            "state": record.state,
            "etag": record.etag,
            "size": record.size,
            "version": record.version,
            "updated_at": record.updated_at,
            "sequencer": record.sequencer,
            "event_at": record.event_at,
            "thumbnail": record.thumbnail,
            "modified": record.modified,
            "metadata": metadata_to_json(record.metadata) if record.metadata else None,
            "model": embedding.model,
            "content": record_content_key(record),
            "vector": embedding.vector,
            "picture_size": embedding.size,
            "md5": embedding.md5,
            "width": embedding.width,
            "height": embedding.height,
            "format": embedding.format,
            "taken": embedding.taken,
            "perceptual_hash": embedding.perceptual_hash,
        }
    )
