"""Queries: which are refused, what a page holds, and whether there is another."""

import pytest

from chalicelib.domain.errors import EmbedderUnavailable, InvalidRequest, PayloadTooLarge, UnreadablePicture
from chalicelib.domain.image_files import INLINE_LIMIT
from chalicelib.domain.vectors import SearchOptions
from chalicelib.services.search import QUERY_LIMIT
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness

ALL = SearchOptions(limit=100)


@pytest.fixture
def synced(world: Harness) -> Harness:
    world.put("a.jpg", "b.jpg", "c.jpg")
    world.sync()
    return world


@pytest.mark.parametrize("query", [None, "", " \n", "x" * (QUERY_LIMIT + 1)])
def test_a_text_that_says_nothing_or_too_much_is_refused(synced: Harness, query: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        synced.app.search.by_text(synced.collection.account, query, ALL)
    assert refused.value.field == "query"


def test_a_picture_finds_itself_first(synced: Harness) -> None:
    found = synced.app.search.by_image(synced.collection.account, b"picture of b.jpg", ALL)
    assert (found.hits[0].file.key, found.hits[0].distance, len(found.hits), found.more) == ("b.jpg", 0.0, 3, False)


def test_a_file_finds_the_others_and_not_itself(synced: Harness) -> None:
    record = synced.record("b.jpg")
    assert record is not None
    assert {hit.file.key for hit in synced.app.search.like(record, ALL).hits} == {"a.jpg", "c.jpg"}


@pytest.mark.parametrize("by_file", [False, True])
def test_pages_follow_one_another_without_a_gap_and_the_last_says_that_it_is(synced: Harness, by_file: bool) -> None:
    account, record = synced.collection.account, synced.record("a.jpg")
    assert record is not None

    def search(wanted: SearchOptions) -> tuple[list[str], bool, tuple[float, str]]:
        search = synced.app.search
        found = search.like(record, wanted) if by_file else search.by_image(account, b"picture of a.jpg", wanted)
        return [hit.file.key for hit in found.hits], found.more, (found.hits[-1].distance, found.hits[-1].uuid)

    whole, _, _ = search(ALL)
    pages, after, more = [], None, True
    while more:
        keys, more, after = search(SearchOptions(limit=1, after=after))
        pages += keys
    assert pages == whole
    assert len(whole) == 3 - by_file
    exactly, more, _ = search(SearchOptions(limit=len(whole)))
    assert (exactly, more) == (whole, False)


def test_another_account_finds_nothing_of_it(synced: Harness) -> None:
    assert synced.app.search.by_image("a stranger", b"picture of a.jpg", ALL).hits == []


def test_a_picture_that_cannot_be_opened_is_the_callers_and_an_outage_is_ours(synced: Harness) -> None:
    with pytest.raises(UnreadablePicture) as refused:
        synced.app.search.by_image(synced.collection.account, UNREADABLE, ALL)
    assert "not an image" in refused.value.message
    synced.embedder.hiccups = {b"a picture"}
    with pytest.raises(EmbedderUnavailable):
        synced.app.search.by_image(synced.collection.account, b"a picture", ALL)


def test_a_picture_is_neither_empty_nor_larger_than_fits(synced: Harness) -> None:
    with pytest.raises(InvalidRequest, match=r"^The file is empty\.$"):
        synced.app.search.by_image(synced.collection.account, b"", ALL)
    synced.app.search.by_image(synced.collection.account, b"x" * INLINE_LIMIT, ALL)
    with pytest.raises(PayloadTooLarge):
        synced.app.search.by_image(synced.collection.account, b"x" * (INLINE_LIMIT + 1), ALL)
