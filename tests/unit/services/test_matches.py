"""Why a search has found a picture: each term's part is that of a search for this term alone."""

from dataclasses import replace
from uuid import uuid4

import pytest

from chalicelib.domain.composition import FileTerm, PictureTerm, TextTerm
from chalicelib.domain.errors import Conflict, InvalidRequest
from chalicelib.domain.files import FileRecord
from chalicelib.domain.vectors import SearchOptions
from chalicelib.services.search import RelevanceOptions
from tests.factories import a_calibration, an_embedding
from tests.unit.services.harness import Harness

ALL = SearchOptions(limit=100)


@pytest.fixture
def synced(world: Harness) -> Harness:
    world.put(*(f"{number}.jpg" for number in range(8)))
    world.sync()
    return world


def record_of(world: Harness, key: str) -> FileRecord:
    record = world.record(key)
    assert record is not None
    return record


def test_the_similarity_to_each_term_is_that_of_a_search_for_it_alone(synced: Harness) -> None:
    account, record, other = synced.collection.account, record_of(synced, "1.jpg"), record_of(synced, "2.jpg")
    owl, pig = TextTerm(text="an owl", field="query"), TextTerm(text="a pig", weight=-0.5, field="without")
    like = FileTerm(file=other.uuid, field="like")
    records = {other.uuid: other}
    match = synced.app.matches.explain(account, [owl, like, pig], records, record)
    for term, explained in zip([owl, like, replace(pig, weight=1)], match.terms, strict=True):
        hits = synced.app.search.by_terms(account, [term], records, ALL).hits
        (distance,) = [hit.distance for hit in hits if hit.uuid == record.uuid]
        assert explained.similarity == pytest.approx(1 - distance, abs=1e-6)
        assert explained.chance is None
    assert match.chance is None


def test_with_statistics_the_whole_is_what_the_search_expects_by_chance_of_one_picture(synced: Harness) -> None:
    synced.embedder.calibration = a_calibration()
    account, record = synced.collection.account, record_of(synced, "1.jpg")
    terms = [TextTerm(text="an owl", field="query"), TextTerm(text="a pig", weight=-0.5, field="without")]
    match = synced.app.matches.explain(account, terms, {}, record)
    page = synced.app.search.by_terms(account, terms, {}, ALL, relevance=RelevanceOptions(shown=True))
    assert page.expected_by_chance is not None
    assert page.searched == 8
    (expected,) = [e for hit, e in zip(page.hits, page.expected_by_chance, strict=True) if hit.uuid == record.uuid]
    assert match.chance == pytest.approx(expected / page.searched, rel=1e-3)
    assert all(term.chance is not None and 0 <= term.chance <= 1 for term in match.terms)


def test_a_picture_is_nearest_to_itself_and_chance_hardly_explains_that(synced: Harness) -> None:
    synced.embedder.calibration = replace(a_calibration(), axes=((0.01, *(0.0,) * 7),), residual=0.0001)
    picture = PictureTerm(picture=b"picture of 1.jpg", field="file")
    (own,) = synced.app.matches.explain(synced.collection.account, [picture], {}, record_of(synced, "1.jpg")).terms
    assert own.similarity == pytest.approx(1, abs=1e-6)
    assert own.chance is not None and own.chance < 0.02


def test_a_picture_of_another_model_and_a_query_of_nothing_are_refused(synced: Harness) -> None:
    account, record = synced.collection.account, record_of(synced, "1.jpg")
    old = replace(record, embedding=an_embedding(model="fake-0+d1"))
    with pytest.raises(Conflict, match="present model"):
        synced.app.matches.explain(account, [TextTerm(text=str(uuid4()), field="query")], {}, old)
    with pytest.raises(InvalidRequest):
        synced.app.matches.explain(account, [], {}, record)
