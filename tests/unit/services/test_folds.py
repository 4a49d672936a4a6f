"""Searches that show each picture once: what a page has, where the next one begins, and that no file is lost."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.composition import FileTerm, TextTerm
from chalicelib.domain.file_queries import FoundFile
from chalicelib.domain.vectors import FileSummary, Hit, SearchOptions, vector_document
from chalicelib.services.folds import MAX_READ, Batch, FoldReader
from chalicelib.services.name_search import FusedPage, NamePage
from chalicelib.services.search import FIRST_PAGE, RelevanceOptions, SearchPage
from tests.factories import a_calibration, a_collection, a_record, an_embedding
from tests.fakes.embedder import COPY, vector
from tests.fakes.vectors import FakeVectorStore
from tests.unit.services.harness import Harness

ALL = SearchOptions(limit=100)
QUERY = TextTerm(text="an owl", field="query")


@pytest.fixture
def copied(world: Harness) -> Harness:
    """Five pictures: of the first there are three files of other bytes, and of the second two of the same."""
    for number in range(5):
        world.put(f"{number}.jpg", body=b"picture %d" % number)
    world.put("0-small.jpg", body=b"picture 0" + COPY + b"small")
    world.put("0-marked.jpg", body=b"picture 0" + COPY + b"marked")
    world.put("1-again.jpg", body=b"picture 1")
    world.sync()
    return world


def search(world: Harness, options: SearchOptions, continuation=FIRST_PAGE, **settings) -> SearchPage:
    settings = {"fold_duplicates": True} | settings
    return world.app.search.by_terms(world.collection.account, [QUERY], {}, options, continuation, **settings)


def pictures(world: Harness, page: SearchPage | NamePage | FusedPage) -> list[list[str]]:
    """The names of each shown file and of those that are folded into it, the shown one first."""
    shown = page.files if isinstance(page, NamePage) else page.hits
    names = {document.uuid: document.file.key for document in world.vectors.documents.values()}
    assert page.duplicates is not None
    return [
        [hit.file.key, *sorted(names[uuid] for uuid in uuids)]
        for hit, uuids in zip(shown, page.duplicates, strict=True)
    ]


def test_each_picture_is_shown_once_by_its_nearest_file(copied: Harness) -> None:
    plain = search(copied, ALL, fold_duplicates=False)
    folded = search(copied, ALL)
    assert plain.duplicates is None
    assert sorted(len(group) for group in pictures(copied, folded)) == [1, 1, 1, 2, 3]
    assert {frozenset(group) for group in pictures(copied, folded) if len(group) > 1} == {
        frozenset({"0.jpg", "0-small.jpg", "0-marked.jpg"}),
        frozenset({"1.jpg", "1-again.jpg"}),
    }
    order = [hit.file.key for hit in plain.hits]
    for first, *others in pictures(copied, folded):
        assert all(order.index(first) < order.index(other) for other in others)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_pages_have_every_file_once(copied: Harness, limit: int) -> None:
    shown: list[str] = []
    options, continuation = SearchOptions(limit=limit), FIRST_PAGE
    while True:
        page = search(copied, options, continuation)
        assert len(page.hits) <= limit
        shown += [name for group in pictures(copied, page) for name in group]
        if not page.has_more:
            break
        options, continuation = replace(options, after=page.end), page.continuation
    assert sorted(shown) == sorted(document.file.key for document in copied.vectors.documents.values())


def test_a_file_that_the_query_names_is_folded_into_nothing(copied: Harness) -> None:
    record = copied.record("0.jpg")
    assert record is not None
    term = FileTerm(file=record.uuid, field="like")
    page = copied.app.search.by_terms(record.account, [term], {record.uuid: record}, ALL, fold_duplicates=True)
    assert sorted(pictures(copied, page)[0]) == ["0-marked.jpg", "0-small.jpg"]


def test_an_answer_that_is_cut_is_folded_up_to_the_cut(copied: Harness) -> None:
    copied.embedder.calibration = a_calibration()
    relevance = RelevanceOptions(cutoff=True, shown=True)
    plain = search(copied, ALL, relevance=relevance, fold_duplicates=False)
    folded = search(copied, ALL, relevance=relevance)
    assert sum(map(len, pictures(copied, folded))) == len(plain.hits)
    assert folded.expected_by_chance is not None
    expected = dict(zip((hit.uuid for hit in plain.hits), plain.expected_by_chance or (), strict=True))
    assert [expected[hit.uuid] for hit in folded.hits] == list(folded.expected_by_chance)


def test_names_are_folded_and_no_file_is_lost_between_pages(copied: Harness) -> None:
    service, account, after = copied.app.name_search, copied.collection.account, None
    shown: list[str] = []
    while True:
        page = service.by_name(account, "jpg", SearchOptions(limit=2), after, fold_duplicates=True)
        shown += [name for group in pictures(copied, page) for name in group]
        if page.after is None:
            break
        after = page.after
    assert sorted(shown) == sorted(document.file.key for document in copied.vectors.documents.values())
    whole = service.by_name(account, "jpg", ALL, None, fold_duplicates=True)
    assert len(whole.files) == 5


def test_fused_names_and_pictures_are_folded_and_no_file_is_lost_between_pages(copied: Harness) -> None:
    service, account = copied.app.name_search, copied.collection.account
    shown: list[str] = []
    start: int | None = 0
    while start is not None:
        page = service.by_both(account, "jpg", SearchOptions(limit=2), start, fold_duplicates=True)
        shown += [name for group in pictures(copied, page) for name in group]
        start = page.next_start
    assert sorted(shown) == sorted(document.file.key for document in copied.vectors.documents.values())
    assert len(service.by_both(account, "jpg", ALL, 0, fold_duplicates=True).hits) == 5


def test_files_whose_vectors_are_far_are_not_folded_although_they_look_alike() -> None:
    collection, store = a_collection(), FakeVectorStore()
    embeddings = [an_embedding(md5=name, vector=vector(name.encode())) for name in ("one", "other")]
    records = [a_record(collection, each.md5, embedding=each) for each in embeddings]
    documents = [vector_document(record, each, collection) for record, each in zip(records, embeddings, strict=True)]
    store.upsert(documents)
    found = [FoundFile(document.uuid, document.file, (1, document.uuid)) for document in documents]
    page = FoldReader(store).read("fake-1+d1", 10, iter([Batch(found, has_more=False)]))
    assert [len(each.copies) for each in page.folds] == [0, 0]
    store.upsert([replace(document, vector=vector(b"one"), version=2) for document in documents])
    page = FoldReader(store).read("fake-1+d1", 10, iter([Batch(found, has_more=False)]))
    assert [len(each.copies) for each in page.folds] == [1]


def a_hit(place: int, picture: str) -> Hit:
    file = FileSummary(collection="c", bucket="b", key=str(place), size=1, md5=picture)
    return Hit(uuid=f"{place:04}", file=file, distance=place / 10_000)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60), st.integers(1, 5), st.integers(1, 7))
def test_pages_of_any_list_have_every_file_once_and_each_picture_once_a_page(
    listed: list[str], limit: int, size: int
) -> None:
    hits = [a_hit(place, picture) for place, picture in enumerate(listed)]
    reader, start, shown = FoldReader(FakeVectorStore()), 0, list[str]()

    def batches(start: int) -> Iterator[Batch[Hit]]:
        while True:
            yield Batch(hits[start : start + size], start + size < len(hits))
            start += size

    while True:
        page = reader.read("m", limit, batches(start))
        firsts = [each.first.file.md5 for each in page.folds]
        assert len(firsts) == len(set(firsts)) <= limit
        shown += [one.uuid for each in page.folds for one in (each.first, *each.copies)]
        assert page.consumed > 0 or not hits
        start += page.consumed
        if not page.has_more:
            break
        assert len(firsts) == limit
    assert sorted(shown) == [hit.uuid for hit in hits]


def test_a_page_reads_a_bounded_number_of_copies_and_the_next_one_goes_on() -> None:
    reads = 0

    def batches() -> Iterator[Batch[Hit]]:
        nonlocal reads
        while True:
            yield Batch([a_hit(reads * 100 + place, "a") for place in range(100)], has_more=True)
            reads += 1

    page = FoldReader(FakeVectorStore()).read("m", 16, batches())
    assert (page.consumed, len(page.folds), page.has_more) == (MAX_READ, 1, True)
