"""The places at which ``make stress SUITE=browser`` looks are all pages there are."""

from collections import defaultdict

from tests.stress.browser.places import places, unnamed


def test_every_page_is_looked_at_in_a_browser() -> None:
    assert unnamed() == [], "say in tests/stress/browser/places.py at which addresses the page is looked at"


def test_each_place_has_a_name_of_its_own() -> None:
    names = [place.name for place in places(defaultdict(str))]
    assert len(names) == len(set(names))
