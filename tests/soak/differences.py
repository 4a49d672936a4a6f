"""Where the bucket, the catalogue, the index and the statistics do not agree, object by object."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.services.maintenance.records import record_chunks
from infra.admin.deployment import Deployment

_SELECT = """SELECT key, uuid, version, size, md5, model, vector FROM documents
    WHERE account = ? AND collection = ? AND vector IS NOT NULL"""


@dataclass(frozen=True)
class Document:
    """A document of the SQLite store's file."""

    uuid: str
    version: int
    size: int
    md5: str
    model: str
    vector: bytes


def differences(deployment: Deployment, file: Path) -> Iterator[str]:
    """A sentence each, for every collection: by key, ETag, size, version, model and the vector's own bytes."""
    services = deployment.services
    s3, model = deployment.client("s3"), services.model_version()
    for collection in services.every_collection():
        listed = dict(_listed(s3, collection))
        chunks = record_chunks(services.adapters.catalogue, collection.uuid)
        records = {record.key: record for chunk in chunks for record in chunk}
        documents = _documents(file, collection)
        for key in sorted(listed.keys() | records.keys() | documents.keys()):
            for sentence in wrong(listed.get(key), records.get(key), documents.get(key), model):
                yield f"{collection.name}: {key!r} {sentence}"
        held = set(_thumbnails(s3, deployment.outputs["ThumbnailsBucketName"], collection))
        for record in records.values():
            if record.state is FileState.INDEXED and record.thumbnail not in held:
                yield f"{collection.name}: {record.key!r} has no thumbnail"
    for collection in services.every_collection():
        audit = services.statistics_audit.audit_collection(collection)
        if not audit.matches:
            yield f"{collection.name}: stored is {audit.stored}, counted is {audit.counted}"


def wrong(
    listed: tuple[str, int] | None, record: FileRecord | None, document: Document | None, model: str
) -> Iterator[str]:
    """What does not agree about one key: ``listed`` is its ETag and size in the bucket, if it is there."""
    if listed is None:
        if record is not None and record.state is not FileState.REMOVED:
            yield f"is gone from the bucket, and {record.state} in the catalogue"
    elif record is None or record.state not in (FileState.INDEXED, FileState.FAILED):
        yield f"is in the bucket, and {record.state if record else 'not'} in the catalogue"
    elif (record.etag, record.size, record.model) != (*listed, model):
        yield f"is {listed} in the bucket, and {(record.etag, record.size, record.model)} in the catalogue"
    picture = record.embedding if record is not None and record.state is FileState.INDEXED else None
    if (picture is None) != (document is None):
        yield f"is {'not ' if picture is None else ''}to be in the index, and is {'not ' if document is None else ''}so"
    elif record is not None and picture is not None and document is not None:
        expected = Document(record.uuid, record.version, record.size, picture.md5, picture.model, picture.vector)
        if document != expected:
            yield f"is version {document.version} in the index, {record.version} in the catalogue, or another picture"
        if picture.md5 != record.etag:
            yield "has the picture of other bytes"


def _listed(s3: Any, collection: Collection) -> Iterator[tuple[str, tuple[str, int]]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=collection.bucket, Prefix=collection.prefix)
    for entry in (entry for page in pages for entry in page.get("Contents", [])):
        if collection.holds(entry["Key"]):
            yield entry["Key"], (entry["ETag"].strip('"'), entry["Size"])


def _thumbnails(s3: Any, bucket: str, collection: Collection) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{collection.uuid}/")
    for entry in (entry for page in pages for entry in page.get("Contents", [])):
        yield entry["Key"].removeprefix(f"{collection.uuid}/").removesuffix(".jpg")


def _documents(file: Path, collection: Collection) -> dict[str, Document]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        rows = connection.execute(_SELECT, (collection.account, collection.uuid)).fetchall()
    return {key: Document(*rest) for key, *rest in rows}
