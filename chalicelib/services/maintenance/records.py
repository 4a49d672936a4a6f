"""Reads a collection's whole records in chunks."""

from collections.abc import Iterator
from itertools import islice

from chalicelib.domain.files import FileRecord, FileState
from chalicelib.services.ports import Catalogue

RECORD_CHUNK_SIZE = 100  # records that are read at once; DynamoDB's BatchGetItem takes no more


def is_searchable(record: FileRecord, model: str) -> bool:
    """Whether the vector store must have the record's vector of this model version."""
    return record.state is FileState.INDEXED and record.embedding is not None and record.embedding.model == model


def record_chunks(catalogue: Catalogue, collection: str) -> Iterator[list[FileRecord]]:
    """A collection's records with their embeddings, in the order of their keys."""
    keys = (entry.key for entry in catalogue.entries(collection, None))
    while chunk := list(islice(keys, RECORD_CHUNK_SIZE)):
        records = catalogue.get_many(collection, chunk)
        yield [records[key] for key in chunk if key in records]
