"""A small part of the fuzzer's run, with the same damage every time."""

from tests.fuzz.run import fuzz


def test_each_damaged_file_becomes_an_image_or_an_error_of_its_own() -> None:
    report = fuzz(1_500, seed=7, processes=2, seconds=20)
    assert report.findings == []
    assert report.counts.total() == 1_500
    # Damage must reach the decoders: not all files are refused by their first bytes, and not all survive.
    assert report.counts["decoded"] > 100
    assert report.counts["truncated_image"] > 100
    assert report.counts["not_an_image"] > 20
