"""Searches: which queries are refused, what a page holds, and whether another one follows."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from chalicelib.domain.accounts import Subscription
from chalicelib.domain.calibration import Calibration
from chalicelib.domain.composition import QUERY_LIMIT, FileTerm, PictureTerm, Term, TextTerm
from chalicelib.domain.errors import Conflict, EmbedderUnavailable, InvalidRequest, PayloadTooLarge, UnreadablePicture
from chalicelib.domain.files import FileRecord
from chalicelib.domain.image_files import INLINE_LIMIT
from chalicelib.domain.vectors import SearchOptions
from chalicelib.services.calibrations import CACHE_SECONDS, CalibrationReader
from chalicelib.services.search import FIRST_PAGE, RelevanceOptions, SearchPage
from tests.factories import NOW, a_calibration
from tests.fakes.accounts import FakeAccounts
from tests.fakes.buckets import FakeSources
from tests.fakes.calibrations import FakeCalibrations
from tests.fakes.embedder import UNREADABLE, FakeEmbedder
from tests.fakes.storage import FakeStorage
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


def test_a_text_that_the_model_does_not_read_is_refused_with_its_reason(synced: Harness) -> None:
    with pytest.raises(InvalidRequest, match="it has no word that the model reads") as refused:
        synced.app.search.by_text(synced.collection.account, "🦉", ALL)
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


def text(text: str, weight: float = 1.0, place: int = 0) -> TextTerm:
    return TextTerm(text=text, weight=weight, field=f"query[{place}]")


def the_file(record: FileRecord, weight: float = 1.0) -> FileTerm:
    return FileTerm(file=record.uuid, weight=weight, field="query[0]")


def record_of(world: Harness, key: str) -> FileRecord:
    record = world.record(key)
    assert record is not None
    return record


def test_one_term_is_searched_as_by_the_contract(synced: Harness) -> None:
    account, search, record = synced.collection.account, synced.app.search, record_of(synced, "b.jpg")
    assert search.by_terms(account, [text("an owl", 0.3)], {}, ALL).hits == search.by_text(account, "an owl", ALL).hits
    of_file = search.by_terms(account, [the_file(record), text("ignored", 0)], {record.uuid: record}, ALL)
    assert of_file.hits == search.by_file(record, ALL).hits
    picture = PictureTerm(picture=b"picture of c.jpg", field="file")
    assert search.by_terms(account, [picture], {}, ALL).hits == search.by_image(account, picture.picture, ALL).hits


def test_all_texts_of_a_query_are_embedded_in_one_call(synced: Harness) -> None:
    terms = [text("an owl"), text("a pig", -0.5), text("a cow", 2)]
    synced.app.search.by_terms(synced.collection.account, terms, {}, ALL)
    assert synced.embedder.texts == [["an owl", "a pig", "a cow"]]


def test_files_that_a_query_names_are_not_among_its_results(synced: Harness) -> None:
    a, b = record_of(synced, "a.jpg"), record_of(synced, "b.jpg")
    terms = [the_file(a), the_file(b, -0.5)]
    page = synced.app.search.by_terms(synced.collection.account, terms, {a.uuid: a, b.uuid: b}, ALL)
    assert [hit.file.key for hit in page.hits] == ["c.jpg"]


def test_the_terms_are_scaled_by_the_statistics_of_the_model_and_the_next_page_by_the_same(synced: Harness) -> None:
    synced.embedder.calibration = a_calibration()
    account, search = synced.collection.account, synced.app.search
    terms = [text("an owl"), text("a pig", -0.5)]
    page = search.by_terms(account, terms, {}, SearchOptions(limit=1))
    assert set(page.continuation.scales) != {1.0}
    after = replace(ALL, after=page.hits[0].position)
    synced.embedder.calibration = None
    others = search.by_terms(account, terms, {}, after, page.continuation)
    assert [*page.hits, *others.hits] == search.by_terms(account, terms, {}, ALL, page.continuation).hits


def test_statistics_of_another_model_are_not_used(synced: Harness) -> None:
    synced.embedder.calibration = a_calibration(model="fake-0+d1")
    page = synced.app.search.by_terms(synced.collection.account, [text("an owl"), text("a pig")], {}, ALL)
    assert page.continuation.scales == (1.0, 1.0)


def test_a_file_of_another_model_is_not_added_to_a_text_of_the_present_one(synced: Harness) -> None:
    record = record_of(synced, "a.jpg")
    synced.embedder.model = "fake-2+d1"
    terms = [text("an owl"), the_file(record)]
    with pytest.raises(Conflict, match="not been embedded by the present model"):
        synced.app.search.by_terms(synced.collection.account, terms, {record.uuid: record}, ALL)


def test_the_accounts_own_statistics_precede_the_shipped_ones_and_both_are_read_once_in_five_minutes() -> None:
    embedder, seconds = CountingEmbedder(), 0.0
    stored = FakeCalibrations(FakeAccounts(Subscription("business")))
    reader = CalibrationReader(stored, embedder, lambda: seconds)
    own = replace(a_calibration(), pictures=50)
    stored.write("shop", own, NOW)
    for _ in range(2):
        assert reader.read("shop", "fake-1+d1") == own
        assert reader.read("another", "fake-1+d1") == a_calibration()
        assert reader.read("another", "another model") is None
    assert (stored.reads, embedder.reads) == (3, 1)
    stored.write("another", own, NOW)
    seconds = CACHE_SECONDS - 1
    assert reader.read("another", "fake-1+d1") == a_calibration()
    seconds = CACHE_SECONDS
    assert reader.read("another", "fake-1+d1") == own
    assert reader.read("shop", "another model") is None
    assert embedder.reads == 2


class CountingEmbedder(FakeEmbedder):
    """Counts how often its statistics are read."""

    def __init__(self) -> None:
        sources = FakeSources()
        super().__init__(sources, FakeStorage(sources))
        self.calibration = a_calibration()
        self.reads = 0

    def model_calibration(self) -> Calibration | None:
        self.reads += 1
        return super().model_calibration()


@pytest.fixture
def crowd(world: Harness) -> Harness:
    """A collection of 40 pictures of random directions, with statistics under which similarities vary by 0.35."""
    world.put(*(f"{number}.jpg" for number in range(40)))
    world.sync()
    eighth = 1 / 8
    world.embedder.calibration = replace(
        a_calibration(), mean=(0.0,) * 8, axes=((eighth**0.5, *(0.0,) * 7),), residual=eighth
    )
    chance = replace(a_calibration().text, spread=1.0)
    world.embedder.calibration = replace(world.embedder.calibration, text=chance, picture=chance)
    return world


def found(world: Harness, term: Term, relevance: RelevanceOptions, **options: Any) -> SearchPage:
    account = world.collection.account
    return world.app.search.by_terms(
        account, [term], {}, SearchOptions(**{"limit": 100} | options), relevance=relevance
    )


def test_a_picture_that_is_there_comes_before_chance_and_nothing_unrelated_with_it(crowd: Harness) -> None:
    picture = PictureTerm(picture=b"picture of 7.jpg", field="file")
    page = found(crowd, picture, RelevanceOptions(cutoff=True))
    assert [hit.file.key for hit in page.hits] == ["7.jpg"]
    assert (len(page.expected_by_chance or ()), page.has_more) == (1, False)


def test_what_is_expected_by_chance_rises_along_the_answer_and_is_of_the_pictures_that_are_searched(
    crowd: Harness,
) -> None:
    page = found(crowd, text("an owl"), RelevanceOptions(shown=True))
    expected = list(page.expected_by_chance or ())
    assert len(expected) == len(page.hits) == 40
    assert expected == sorted(expected)
    assert expected[-1] == pytest.approx(40, rel=0.05)
    nothing = found(crowd, text("an owl"), RelevanceOptions(shown=True), collections=("elsewhere",))
    assert nothing.expected_by_chance == []


def test_without_statistics_nothing_is_cut_and_nothing_is_expected(crowd: Harness) -> None:
    crowd.embedder.calibration = None
    page = found(crowd, text("an owl"), RelevanceOptions(cutoff=True, shown=True))
    assert (len(page.hits), page.expected_by_chance) == (40, None)


def test_a_cut_does_not_depend_on_how_the_answer_is_paged(crowd: Harness) -> None:
    record = record_of(crowd, "7.jpg")
    terms = [PictureTerm(picture=b"picture of 7.jpg", field="file")]
    crowd.vectors.upsert(
        [replace(crowd.vectors.documents[record.uuid], uuid=str(UUID(int=number))) for number in range(5)]
    )
    relevance, account = RelevanceOptions(cutoff=True), crowd.collection.account
    whole = crowd.app.search.by_terms(account, terms, {}, ALL, relevance=relevance)
    paged, options, continuation = [], SearchOptions(limit=2), FIRST_PAGE
    while True:
        page = crowd.app.search.by_terms(account, terms, {}, options, continuation, relevance)
        paged += page.hits
        if not page.has_more:
            break
        options, continuation = replace(options, after=page.hits[-1].position), page.continuation
    assert paged == whole.hits
    assert len(paged) >= 6
