"""A collection's records, read whole and in chunks."""

from collections.abc import Iterator
from itertools import islice

from chalicelib.domain.files import FileRecord, FileState
from chalicelib.services.ports import Catalogue

RECORD_CHUNK = 100  # records read at once, as many as DynamoDB gives


def is_searchable(record: FileRecord, model: str) -> bool:
    return record.state is FileState.INDEXED and record.embedding is not None and record.embedding.model == model


def record_chunks(catalogue: Catalogue, collection: str) -> Iterator[list[FileRecord]]:
    """A collection's records with their pictures, in the order of their keys."""
    keys = (known.key for known in catalogue.entries(collection, None))
    while chunk := list(islice(keys, RECORD_CHUNK)):
        found = catalogue.get_many(collection, chunk)
        yield [found[key] for key in chunk if key in found]
