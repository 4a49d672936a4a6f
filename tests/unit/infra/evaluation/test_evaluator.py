"""Queries of a sheet on an account's files: what they name is found, what they find is compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.composition import FileTerm, PictureTerm, TextTerm
from chalicelib.domain.errors import StoreUnavailable
from infra.admin.evaluate import NOT_CALIBRATED, summary
from infra.evaluation.evaluator import Evaluator, JudgedQuery
from infra.evaluation.measures import Outcome
from infra.evaluation.sheet import Row
from tests.factories import a_calibration
from tests.unit.services.harness import Harness

OWL, PIG, COW = "2024/owl.jpg", "2024/pig.jpg", "cow.jpg"


@pytest.fixture
def world() -> Harness:
    """An account with three pictures. A text ``picture of KEY`` has the very vector of the picture there."""
    world = Harness()
    world.put(OWL, PIG, COW)
    world.sync()
    return world


def evaluator(world: Harness, folder: Path = Path(), collection: Collection | None = None) -> Evaluator:
    return Evaluator(world.app, world.collection.account, collection, folder)


def row(number: int = 2, **cells: str) -> Row:
    return Row(number, {"query": "", "expected": "", **cells})


def judged(world: Harness, *rows: Row, folder: Path = Path()) -> list[JudgedQuery]:
    queries, findings = evaluator(world, folder).judge(rows)
    assert findings == []
    return queries


def finding(world: Harness, folder: Path = Path(), **cells: str) -> str:
    queries, (sentence,) = evaluator(world, folder).judge([row(7, **cells)])
    assert queries == []
    return sentence


def uuid(world: Harness, key: str) -> str:
    record = world.record(key)
    assert record is not None
    return record.uuid


def test_a_row_has_the_terms_the_filter_and_the_files_of_its_cells(world: Harness, tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(b"a picture")
    cells = {
        "query": "a bird",
        "without": "snow|water",
        "like": f"{OWL}|{uuid(world, PIG)}",
        "file": "mine.jpg",
        "path": "2024/",
        "size.gte": "1",
        "expected": COW,
    }
    (query,) = judged(world, row(**cells), folder=tmp_path)
    assert [term.text for term in query.terms if isinstance(term, TextTerm)] == ["a bird", "snow", "water"]
    assert {term.file for term in query.terms if isinstance(term, FileTerm)} == set(query.records)
    assert set(query.records) == {uuid(world, OWL), uuid(world, PIG)}
    assert [term.picture for term in query.terms if isinstance(term, PictureTerm)] == [b"a picture"]
    assert len(query.options.filter.clauses) == 2
    assert query.expected == {uuid(world, COW)}


def test_a_query_finds_the_files_as_a_search_of_the_account_does(world: Harness) -> None:
    queries = judged(
        world,
        row(query=f"picture of {OWL}", expected=OWL),
        row(query=f"picture of {OWL}", path="cow.jpg", expected=COW),
        row(query="", like=PIG, expected=f"{COW}|{OWL}"),
    )
    search = evaluator(world).search
    exact, filtered, similar = map(search, queries)
    assert exact.found[0] == uuid(world, OWL)
    assert set(exact.found) == {uuid(world, key) for key in (OWL, PIG, COW)}
    assert filtered.found == [uuid(world, COW)]
    assert set(similar.found) == {uuid(world, key) for key in (OWL, COW)}


def test_the_cut_is_that_of_a_calibrated_model(world: Harness) -> None:
    (query,) = judged(world, row(query="something else", expected=OWL))
    assert evaluator(world).search(query).listed is None
    world.ports.calibrations.write(world.collection.account, a_calibration(), world.app.now())
    world.app = type(world.app)(world.app.config, world.ports, world.app.now)  # which has no statistics in its cache
    outcome = evaluator(world).search(query)
    assert outcome.listed is not None
    assert set(outcome.listed) < set(outcome.found)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"query": "a bird", "expected": "2024/bird.jpg"}, "'expected' has '2024/bird.jpg', and no indexed file"),
        ({"query": "a bird", "expected": "owl.jpg"}, "'expected' has 'owl.jpg', and no indexed file"),
        ({"query": "a bird", "expected": "8ff9ef69-fd22-4308-ad1e-22c59500d944"}, "no indexed file has this uuid"),
        ({"like": OWL, "expected": OWL}, "'expected' has a file that the query names"),
        ({"expected": OWL}, "query: Give the text to search for"),
        ({"query": "x" * 1001}, "query: A query has at most 1,000 characters."),
        ({"query": "a bird", "size.gte": "large"}, "size.gte: "),
        ({"query": "a bird", "file": "none.jpg"}, "'file' has none.jpg, which cannot be read: No such file"),
        ({"query": "a bird", "file": "a.jpg|b.jpg"}, "'file' has 2 pictures, and a query has one."),
        ({"unlike": OWL}, "query: Give the text to search for"),
    ],
)
def test_a_row_that_is_no_query_is_refused_with_its_number_and_column(
    world: Harness, cells: dict[str, str], message: str
) -> None:
    sentence = finding(world, **cells)
    assert sentence.startswith("Row 7: ")
    assert message in sentence


def test_all_rows_are_looked_at_before_anything_is_searched(world: Harness) -> None:
    _, findings = evaluator(world).judge([row(2), row(3, query="fine"), row(4, query="a bird", expected="no.jpg")])
    assert [sentence.partition(":")[0] for sentence in findings] == ["Row 2", "Row 4"]
    assert world.embedder.texts == []


def test_a_path_in_two_collections_needs_a_choice_and_a_collection_makes_it(world: Harness) -> None:
    other = world.add("", account=world.collection.account)
    world.sync(other)
    assert "a path in 2 collections" in finding(world, query="an owl", expected=COW)
    (query,), findings = evaluator(world, collection=other).judge([row(query="an owl", expected=COW)])
    assert findings == []
    assert query.expected == {record.uuid for record in [world.record(COW, other)] if record is not None}
    assert len(evaluator(world, collection=other).search(query).found) == 3


def test_a_path_is_that_below_the_folder_of_its_collection(world: Harness) -> None:
    folder = world.add("2024/", account=world.collection.account)
    world.sync(folder)
    (query,) = judged(world, row(query="an owl", expected="owl.jpg"))
    assert query.expected == {record.uuid for record in [world.record(OWL, folder)] if record is not None}


def test_a_row_that_the_model_does_not_read_ends_the_evaluation_with_its_number(world: Harness) -> None:
    (query,) = judged(world, row(9, query="???", expected=OWL))
    with pytest.raises(ValueError, match=r"^Row 9: query: "):
        evaluator(world).search(query)


def test_a_store_that_is_down_is_no_fault_of_a_row(world: Harness) -> None:
    (query,) = judged(world, row(query="an owl", expected=OWL))

    class Down:
        def search(self, *_: Any) -> None:
            raise StoreUnavailable("The test has set the store down.")

    world.app = type(world.app)(world.app.config, replace(world.ports, vectors=Down()), world.app.now)
    with pytest.raises(StoreUnavailable):
        evaluator(world).search(query)


def test_the_summary_has_each_measure_by_depth_and_the_cut() -> None:
    lines = summary([Outcome(frozenset("ab"), "ayb", "a"), Outcome(frozenset(), "xyz", "")], [1, 2])
    assert lines == [
        "1 query with expected files, 1 of what is not there",
        "",
        "                  @1      @2",
        "precision      1.000   0.500",
        "recall         0.500   0.500",
        "nDCG           1.000   0.613",
        "MRR            1.000   among the first 100",
        "",
        "With cutoff=auto",
        "    50 %  of the expected files are listed",
        "   100 %  of what these queries list is expected",
        "   100 %  of these queries list an expected file",
        "   100 %  of the queries of what is not there list nothing",
        "    0.00  files are listed by these on average",
    ]


def test_the_summary_says_what_to_do_where_nothing_is_cut() -> None:
    lines = summary([Outcome(frozenset(), "xyz", None), Outcome(frozenset(), "x", None)], [1])
    assert lines == ["0 queries with expected files, 2 of what is not there", "", NOT_CALIBRATED]
