"""Searches: which queries are refused, what a page holds, and whether another one follows."""

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
def test_blank_or_overlong_text_is_refused(synced: Harness, query: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        synced.app.search.by_text(synced.collection.account, query, ALL)
    assert refused.value.field == "query"


def test_identical_picture_is_the_nearest(synced: Harness) -> None:
    page = synced.app.search.by_image(synced.collection.account, b"picture of b.jpg", ALL)
    assert (page.hits[0].file.key, page.hits[0].distance, len(page.hits), page.has_more) == ("b.jpg", 0.0, 3, False)


def test_search_by_a_file_returns_the_other_files(synced: Harness) -> None:
    record = synced.record("b.jpg")
    assert record is not None
    assert {hit.file.key for hit in synced.app.search.by_file(record, ALL).hits} == {"a.jpg", "c.jpg"}


@pytest.mark.parametrize("by_file", [False, True])
def test_pages_follow_without_a_gap_and_the_last_one_says_so(synced: Harness, by_file: bool) -> None:
    account, record = synced.collection.account, synced.record("a.jpg")
    assert record is not None

    def search(options: SearchOptions) -> tuple[list[str], bool, tuple[float, str]]:
        service = synced.app.search
        page = service.by_file(record, options) if by_file else service.by_image(account, b"picture of a.jpg", options)
        return [hit.file.key for hit in page.hits], page.has_more, (page.hits[-1].distance, page.hits[-1].uuid)

    all_keys, _, _ = search(ALL)
    paged_keys, after, has_more = [], None, True
    while has_more:
        keys, has_more, after = search(SearchOptions(limit=1, after=after))
        paged_keys += keys
    assert paged_keys == all_keys
    assert len(all_keys) == 3 - by_file
    keys, has_more, _ = search(SearchOptions(limit=len(all_keys)))
    assert (keys, has_more) == (all_keys, False)


def test_search_of_another_account_returns_nothing(synced: Harness) -> None:
    assert synced.app.search.by_image("a stranger", b"picture of a.jpg", ALL).hits == []


def test_unreadable_picture_is_the_callers_error(synced: Harness) -> None:
    with pytest.raises(UnreadablePicture) as refused:
        synced.app.search.by_image(synced.collection.account, UNREADABLE, ALL)
    assert "not an image" in refused.value.message


def test_transient_failure_of_the_embedder_is_not_the_callers_error(synced: Harness) -> None:
    synced.embedder.hiccups = {b"a picture"}
    with pytest.raises(EmbedderUnavailable):
        synced.app.search.by_image(synced.collection.account, b"a picture", ALL)


def test_empty_picture_and_one_above_the_size_limit_are_refused(synced: Harness) -> None:
    with pytest.raises(InvalidRequest, match=r"^The file is empty\.$"):
        synced.app.search.by_image(synced.collection.account, b"", ALL)
    synced.app.search.by_image(synced.collection.account, b"x" * INLINE_LIMIT, ALL)
    with pytest.raises(PayloadTooLarge):
        synced.app.search.by_image(synced.collection.account, b"x" * (INLINE_LIMIT + 1), ALL)
