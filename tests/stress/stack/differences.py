"""Where the bucket, the catalogue, the index and the statistics disagree, object by object."""

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

_SELECT_DOCUMENTS = """SELECT file ->> 'key', uuid, version, file ->> 'size', file ->> 'md5', model, vector
    FROM documents WHERE account = ? AND collection = ? AND vector IS NOT NULL"""


@dataclass(frozen=True)
class Document:
    """A document of the SQLite store's file."""

    uuid: str
    version: int
    size: int
    md5: str
    model: str
    vector: bytes


def differences(deployment: Deployment, store_file: Path) -> Iterator[str]:
    """Compares every collection by key, ETag, size, version, model and the vector's bytes; a sentence a difference."""
    services = deployment.services
    s3, model = deployment.client("s3"), services.model_version()
    for collection in services.every_collection():
        objects = dict(_objects(s3, collection))
        chunks = record_chunks(services.adapters.catalogue, collection.uuid)
        records = {record.key: record for chunk in chunks for record in chunk}
        documents = _documents(store_file, collection)
        for key in sorted(objects.keys() | records.keys() | documents.keys()):
            for sentence in key_differences(objects.get(key), records.get(key), documents.get(key), model):
                yield f"{collection.name}: {key!r} {sentence}"
        thumbnails = set(_thumbnails(s3, deployment.outputs["ThumbnailsBucketName"], collection))
        for record in records.values():
            if record.state is FileState.INDEXED and record.thumbnail not in thumbnails:
                yield f"{collection.name}: {record.key!r} has no thumbnail"
    for collection in services.every_collection():
        audit = services.statistics_audit.audit_collection(collection)
        if not audit.matches:
            yield f"{collection.name}: its statistics are {audit.stored}, and {audit.counted} were counted"


def key_differences(
    listed: tuple[str, int] | None, record: FileRecord | None, document: Document | None, model: str
) -> Iterator[str]:
    """Compares what the three say of one key.

    Args:
        listed: ETag and size of the object in the bucket, if it is there.
        document: the entry of the index, if there is one.
        model: the deployed embedder's model version.
    """
    if listed is None:
        if record is not None and record.state is not FileState.REMOVED:
            yield f"is not in the bucket, but {record.state} in the catalogue"
    elif record is None or record.state not in (FileState.INDEXED, FileState.FAILED):
        yield f"is in the bucket, but {record.state if record else 'missing'} in the catalogue"
    elif (record.etag, record.size, record.model) != (*listed, model):
        yield f"is {listed} in the bucket, but {(record.etag, record.size, record.model)} in the catalogue"
    embedding = record.embedding if record is not None and record.state is FileState.INDEXED else None
    if embedding is None and document is not None:
        yield "is in the index, but must not be"
    elif embedding is not None and document is None:
        yield "is not in the index, but must be"
    elif record is not None and embedding is not None and document is not None:
        expected = Document(record.uuid, record.version, record.size, embedding.md5, embedding.model, embedding.vector)
        if document != expected:
            yield f"has version {document.version} in the index, {record.version} in the catalogue, or other fields"
        if embedding.md5 != record.etag:
            yield "has the embedding of other bytes"


def _objects(s3: Any, collection: Collection) -> Iterator[tuple[str, tuple[str, int]]]:
    """Keys with ETag and size."""
    for entry in _listing(s3, collection.bucket, collection.prefix):
        if collection.holds(entry["Key"]) and collection.selects(entry["Key"], entry["Size"]):
            yield entry["Key"], (entry["ETag"].strip('"'), entry["Size"])


def _thumbnails(s3: Any, bucket: str, collection: Collection) -> Iterator[str]:
    """The names that records have for them."""
    for entry in _listing(s3, bucket, f"{collection.uuid}/"):
        yield entry["Key"].removeprefix(f"{collection.uuid}/").removesuffix(".jpg")


def _listing(s3: Any, bucket: str, prefix: str) -> Iterator[Any]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def _documents(file: Path, collection: Collection) -> dict[str, Document]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        rows = connection.execute(_SELECT_DOCUMENTS, (collection.account, collection.uuid)).fetchall()
    return {key: Document(*columns) for key, *columns in rows}
