"""Reads a collection's whole records in chunks."""

from collections.abc import Iterator

from chalicelib.domain.files import FileRecord, FileState
from chalicelib.services.ports import Catalogue

RECORD_CHUNK_SIZE = 100  # records that are read at once; DynamoDB's BatchGetItem takes no more


def is_searchable(record: FileRecord, model: str) -> bool:
    """Whether the vector store must have the record's vector of this model version."""
    return record.state is FileState.INDEXED and record.embedding is not None and record.embedding.model == model


def record_chunks(catalogue: Catalogue, collection: str, limit: int | None = None) -> Iterator[list[FileRecord]]:
    """A collection's records with their embeddings, in the order of their keys; ``limit`` at most, None for all."""
    return catalogue.chunks(collection, RECORD_CHUNK_SIZE, limit)
