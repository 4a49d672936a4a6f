"""Searches by name and by both, on the fakes."""

from dataclasses import replace

import pytest

from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_queries import FilePosition, FoundFile
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.vectors import Hit, SearchOptions, cosine_distance, vector_document
from chalicelib.services.name_search import FUSION_DEPTH, NameSearchService
from tests.factories import a_collection, a_record, an_embedding
from tests.fakes.buckets import FakeSources
from tests.fakes.embedder import FakeEmbedder, vector
from tests.fakes.storage import FakeStorage
from tests.fakes.vectors import FakeVectorStore

COLLECTION = a_collection(prefix="")
NAMES = ("owls/snow.jpg", "owl.jpg", "IMG_1234.jpg", "invoice 2024.png", "2024/owl 12.jpg", "other.jpg")
OPTIONS = SearchOptions(limit=10)
MODEL = "fake-1+d1"


@pytest.fixture
def vectors() -> FakeVectorStore:
    store = FakeVectorStore()
    for name in NAMES:
        embedding = an_embedding(vector=vector(name.encode()))
        store.upsert([vector_document(a_record(COLLECTION, name, embedding=embedding), embedding, COLLECTION)])
    return store


@pytest.fixture
def service(vectors: FakeVectorStore) -> NameSearchService:
    sources = FakeSources()
    return NameSearchService(CachedEmbedder(FakeEmbedder(sources, FakeStorage(sources))), vectors, lambda: MODEL)


def named(service: NameSearchService, text: str, options: SearchOptions = OPTIONS) -> list[str]:
    return [hit.file.key for hit in service.by_name(COLLECTION.account, text, options, None).files]


def test_files_are_found_by_words_parts_and_numbers_of_their_names(service: NameSearchService) -> None:
    assert named(service, "IMG_1234") == named(service, "1234") == named(service, "img 12") == ["IMG_1234.jpg"]
    assert named(service, "invoice 2024") == ["invoice 2024.png"]
    assert set(named(service, "owl")) == {"owl.jpg", "2024/owl 12.jpg", "owls/snow.jpg"}
    assert named(service, "nothing") == []


def test_a_filter_narrows_a_search_by_name(service: NameSearchService) -> None:
    assert named(service, "owl", replace(OPTIONS, filter=parse_filter({"path": "2024/"}))) == ["2024/owl 12.jpg"]


def test_a_search_by_name_alone_asks_the_model_nothing(vectors: FakeVectorStore) -> None:
    sources = FakeSources()
    embedder = FakeEmbedder(sources, FakeStorage(sources))
    embedder.down = True
    service = NameSearchService(CachedEmbedder(embedder), vectors, lambda: MODEL)
    assert named(service, "IMG_1234") == ["IMG_1234.jpg"]


def test_pages_of_a_search_by_name_have_each_file_once(service: NameSearchService) -> None:
    found: list[str] = []
    after: FilePosition | None = None
    while True:
        page = service.by_name(COLLECTION.account, "owl", replace(OPTIONS, limit=1), after)
        found += [found.file.key for found in page.files]
        if page.after is None:
            break
        after = page.after
    assert found == named(service, "owl")
    assert len(found) == 3


def test_a_text_without_words_has_no_names_to_find(service: NameSearchService) -> None:
    with pytest.raises(InvalidRequest):
        service.by_name(COLLECTION.account, "?!", OPTIONS, None)
    with pytest.raises(InvalidRequest):
        service.by_both(COLLECTION.account, "?!", OPTIONS, 0)


def test_both_has_every_file_of_either_ranking_and_what_its_name_says_comes_first(service: NameSearchService) -> None:
    hits = service.by_both(COLLECTION.account, "IMG_1234", OPTIONS, 0).hits
    assert {hit.file.key for hit in hits} == set(NAMES)
    assert hits[0].file.key == "IMG_1234.jpg"


def test_a_file_that_only_its_name_finds_is_shown_with_its_distance(
    service: NameSearchService, vectors: FakeVectorStore
) -> None:
    near = vector(b"IMG_1234")
    for number in range(FUSION_DEPTH):
        record = a_record(COLLECTION, f"near/{number}", embedding=an_embedding(vector=near))
        vectors.upsert([vector_document(record, an_embedding(vector=near), COLLECTION)])
    hits: list[Hit | FoundFile] = []
    start: int | None = 0
    while start is not None:
        page = service.by_both(COLLECTION.account, "IMG_1234", OPTIONS, start)
        hits, start = [*hits, *page.hits], page.next_start
    keys = [hit.file.key for hit in hits]
    assert len(keys) == len(set(keys)) == FUSION_DEPTH + 1
    (hit,) = (hit for hit in hits if hit.file.key == "IMG_1234.jpg")
    assert isinstance(hit, Hit)
    assert hit.distance == cosine_distance(near, vector(b"IMG_1234.jpg"))
