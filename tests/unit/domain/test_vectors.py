"""What a search result shows, stored and read again; and the rules that every vector store shares."""

import json
import math
import struct
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

import pytest

from chalicelib.domain.vectors import FileSummary, Hit, SearchOptions, rounded_distance, unit_vector, vector_document
from tests.factories import a_collection, a_record, an_embedding

SUMMARY = FileSummary(collection="holidays", bucket="photographs", key="2024/Ä.jpg", size=7, md5="0" * 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterSummary(FileSummary):
    """A file summary of a later version, with a field more."""

    later_field: str | None = None


def test_a_file_summary_is_the_same_after_it_was_stored():
    assert FileSummary.from_json(SUMMARY.to_json()) == SUMMARY


def test_a_file_summary_with_times_is_the_same_after_it_was_stored_as_json():
    times = {"modified": datetime(2025, 1, 2, tzinfo=UTC), "taken": datetime(2024, 5, 6, 7, 8, 9)}
    summary = replace(SUMMARY, **times, path="\u00c4.jpg", width=3, height=4, format="PNG")
    assert FileSummary.from_json(json.loads(json.dumps(summary.to_json()))) == summary


def test_the_path_of_a_document_is_the_key_below_the_folder_of_its_collection():
    collection = a_collection(prefix="pictures/")
    assert vector_document(a_record(collection, "pictures/2024/a.jpg"), an_embedding(), collection).file.path == (
        "2024/a.jpg"
    )


def test_a_field_that_a_stored_file_summary_lacks_has_its_default():
    assert LaterSummary.from_json(SUMMARY.to_json()).later_field is None


def test_a_field_that_this_version_does_not_know_is_ignored():
    later = LaterSummary.from_json(SUMMARY.to_json() | {"later_field": "a value"})
    assert later.later_field == "a value"
    assert FileSummary.from_json(later.to_json()) == SUMMARY


def test_a_document_of_a_record_fills_each_field_that_has_a_default():
    summary = vector_document(a_record(a_collection(), "a.jpg"), an_embedding(), a_collection()).file
    assert [field.name for field in fields(summary) if getattr(summary, field.name) == field.default] == []


def test_options_without_bounds_admit_every_position():
    assert SearchOptions(limit=1).admits((2.0, "z"))


def test_options_admit_a_hit_at_the_maximal_distance_and_none_beyond_it():
    options = SearchOptions(limit=1, max_distance=0.5)
    assert [options.admits((distance, "a")) for distance in (0.0, 0.5, 0.500001)] == [True, True, False]


def test_options_admit_only_positions_behind_the_previous_page():
    options = SearchOptions(limit=1, after=Hit(uuid="m", file=SUMMARY, distance=0.5).position)
    positions = [(0.4, "z"), (0.5, "l"), (0.5, "m"), (0.5, "n"), (0.6, "a")]
    assert [options.admits(position) for position in positions] == [False, False, False, True, True]


def test_every_option_but_those_of_the_page_narrows_a_search():
    options = SearchOptions(limit=1)
    names = {field.name for field in fields(options)}
    changed = {name: replace(options, **{name: ("another",)}) for name in names}
    narrowing = {name for name, other in changed.items() if other.narrowing() != options.narrowing()}
    assert narrowing == names - {"limit", "after"}


def test_a_unit_vector_is_read_from_its_bytes():
    assert unit_vector(struct.pack("<4f", 0, -1, 0, 0)) == (0, -1, 0, 0)


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, 1.0], [1.0001, 0.0], [math.nan, 0.0]])
def test_a_vector_that_is_not_of_length_one_is_rejected(values: list[float]):
    with pytest.raises(ValueError, match="length"):
        unit_vector(struct.pack("<2f", *values))


@pytest.mark.parametrize("vector", [b"", b"\0" * 3, b"\0" * 5])
def test_bytes_that_are_not_a_sequence_of_float32_are_rejected(vector: bytes):
    with pytest.raises(ValueError, match="float32"):
        unit_vector(vector)


def test_distances_are_rounded_to_six_decimals_between_zero_and_two():
    assert [rounded_distance(distance) for distance in (-1e-7, 0.1234567, 2.1)] == [0.0, 0.123457, 2.0]
