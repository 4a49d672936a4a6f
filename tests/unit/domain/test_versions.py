"""The versions of records."""

from datetime import timedelta

from chalicelib.domain.files import first_version
from tests.factories import NOW, a_collection, a_record

LATER = NOW + timedelta(milliseconds=1)


def test_a_later_write_has_the_higher_version_even_if_the_record_was_purged_in_between():
    first = first_version(NOW)
    assert first_version(LATER) > first
    assert a_record(a_collection(), "a", version=first).next_version(LATER) > first


def test_the_version_grows_even_if_the_clock_stands_still_or_goes_back():
    ahead = first_version(LATER)
    assert a_record(a_collection(), "a", version=ahead).next_version(NOW) == ahead + 1


def test_a_version_is_an_exact_number_in_every_store():
    assert first_version(NOW) < 2**53
