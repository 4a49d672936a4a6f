"""A small part of `make fuzz`, the same damages every time."""

from tests.fuzz.run import fuzz


def test_damaged_files_end_in_a_picture_or_in_an_error_of_their_own() -> None:
    outcome = fuzz(1_500, seed=7, processes=2, seconds=20)
    assert outcome.findings == []
    assert outcome.counts.total() == 1_500
    # It would be no fuzzing if all were refused at the door, or if nothing were damaged.
    assert outcome.counts["decoded"] > 100
    assert outcome.counts["truncated_image"] > 100
    assert outcome.counts["not_an_image"] > 20
