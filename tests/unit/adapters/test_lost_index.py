"""An OpenSearch that has lost its indexes is unavailable, and says what to do; one that never had any finds nothing."""

from types import SimpleNamespace
from typing import Any

import pytest
from opensearchpy.exceptions import NotFoundError

from chalicelib.adapters.opensearch.client import OpenSearchClient
from chalicelib.adapters.opensearch.documents import VersionedDocuments
from chalicelib.adapters.opensearch.indexes import Indexes
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import SearchOptions, VectorQuery, vector_document
from tests.factories import a_collection, a_record, an_embedding

MODEL, DIMENSION = "fake-1+d1", 4
VECTOR = b"\0\0\x80\x3f" + bytes(12)  # 1, 0, 0, 0
COLLECTION = a_collection()
RECORD = a_record(COLLECTION, "a.jpg", embedding=an_embedding(vector=VECTOR))
QUERY = VectorQuery(account=COLLECTION.account, model=MODEL, vector=VECTOR, options=SearchOptions(limit=10))


class Transport:
    """A cluster with the indexes of these models, none of which has documents; it records what was created."""

    def __init__(self, *models: str) -> None:
        self.indexes = {f"similarix-{model.replace('+', '_')}-000001": model for model in models}
        self.created: list[str] = []

    def perform_request(self, method: str, path: str, *, params: object, body: Any) -> Any:
        if method == "GET":
            return {name: self._described(name, model) for name, model in self.indexes.items()}
        if method == "PUT":
            name = path.removeprefix("/")
            self.created.append(name)
            self.indexes[name] = MODEL
            return {}
        if path == "/_bulk":
            return {"items": [{"index": {"status": 201}}]}
        raise NotFoundError(404, "index_not_found_exception", {"error": {"type": "index_not_found_exception"}})

    def _described(self, name: str, model: str) -> Any:
        aliases = {name + ".write": {}, name.rpartition("-")[0]: {}}
        return {"aliases": aliases, "mappings": {"_meta": {"model": model, "dimension": DIMENSION}}}


def store(transport: Transport, *, has_files: bool) -> OpenSearchVectorStore:
    client = OpenSearchClient(SimpleNamespace(transport=transport))  # type: ignore[arg-type]
    indexes = Indexes(client, has_files=lambda: has_files)
    return OpenSearchVectorStore(client, indexes, VersionedDocuments(client, indexes))


def write(vectors: OpenSearchVectorStore) -> None:
    assert RECORD.embedding is not None
    vectors.upsert([vector_document(RECORD, RECORD.embedding, COLLECTION)])


def test_a_search_before_there_are_files_finds_nothing() -> None:
    assert store(Transport(), has_files=False).search(QUERY) == []


def test_a_search_of_a_lost_index_is_unavailable_and_names_the_command_that_fills_it_again() -> None:
    with pytest.raises(StoreUnavailable, match="reindex"):
        store(Transport(), has_files=True).search(QUERY)


def test_a_first_write_creates_the_index() -> None:
    transport = Transport()
    write(store(transport, has_files=False))
    assert transport.created == ["similarix-fake-1_d1-000001"]


def test_a_write_does_not_begin_a_lost_index_anew_as_if_it_had_every_file() -> None:
    transport = Transport()
    with pytest.raises(StoreUnavailable, match="reindex"):
        write(store(transport, has_files=True))
    assert transport.created == []


def test_the_first_write_of_another_model_creates_its_index_beside_the_old_one() -> None:
    transport = Transport("older-1+d1")
    write(store(transport, has_files=True))
    assert transport.created == ["similarix-fake-1_d1-000001"]


def test_a_worker_that_indexes_the_first_files_at_the_same_time_is_not_taken_for_a_loss() -> None:
    transport = Transport()
    client = OpenSearchClient(SimpleNamespace(transport=transport))  # type: ignore[arg-type]

    def has_files() -> bool:
        transport.indexes["similarix-fake-1_d1-000001"] = MODEL  # another worker was faster, and has saved its records
        return True

    indexes = Indexes(client, has_files=has_files)
    (index,) = indexes.for_writing(MODEL, DIMENSION)
    assert (index.name, transport.created) == ("similarix-fake-1_d1-000001", [])
