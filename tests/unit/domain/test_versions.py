"""The version of a record that is about to be written."""

from datetime import timedelta

from chalicelib.domain.files import next_version
from tests.factories import NOW, a_collection, a_record

LATER = NOW + timedelta(milliseconds=1)


def test_what_is_drafted_later_has_the_higher_version_whatever_became_of_the_record():
    first = next_version(None, NOW)
    assert next_version(None, LATER) > first
    assert next_version(a_record(a_collection(), "a", version=first), LATER) > first


def test_it_grows_even_where_the_clock_stands_still_or_went_back():
    ahead = next_version(None, LATER)
    assert next_version(a_record(a_collection(), "a", version=ahead), NOW) == ahead + 1


def test_it_is_exact_in_every_store():
    assert next_version(None, NOW) < 2**53
