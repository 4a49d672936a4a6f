"""The address of a search: forms and links say the same, and every term can be added, turned and taken away."""

from urllib.parse import parse_qs
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dashboard.search_address import (
    EMPHASES,
    SearchAddress,
    SearchTerm,
    Subject,
    is_canonical,
    read_address,
)
from chalicelib.domain.composition import TextTerm
from chalicelib.domain.errors import InvalidRequest

FILE = "0b0e9a4e-6a67-4f7a-9d3d-1f2a3b4c5d6e"
words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40).map(str.strip).filter(bool)
terms = st.builds(
    SearchTerm,
    subject=st.sampled_from(Subject),
    value=words,
    wanted=st.booleans(),
    emphasis=st.sampled_from(EMPHASES),
)
# Two chips of one subject and value would be one.
lists_of_terms = st.lists(terms, max_size=6, unique_by=lambda term: (term.subject, term.value, term.wanted))
addresses = st.builds(
    SearchAddress,
    terms=lists_of_terms.map(lambda each: SearchAddress().with_terms(each).terms),
    collections=st.lists(words, unique=True, max_size=3).map(tuple),
    filters=st.dictionaries(
        st.sampled_from(["path", "format", "size.gte", "taken.lte", "metadata.tag"]),
        st.lists(words, min_size=1, max_size=2, unique=True).map(tuple),
        max_size=3,
    ),
    cutoff=st.booleans(),
    fold=st.booleans(),
)


def read(query: str) -> SearchAddress:
    return read_address(parse_qs(query.lstrip("?"), keep_blank_values=True))


@given(addresses)
def test_an_address_is_read_as_it_was_written(address: SearchAddress) -> None:
    assert read(address.query()) == address
    assert is_canonical(parse_qs(address.query().lstrip("?")))


@given(addresses, words)
def test_a_term_that_is_added_can_be_taken_away_again(address: SearchAddress, text: str) -> None:
    term = SearchTerm(Subject.TEXT, text)
    added = address.with_term(term)
    assert term in added.terms
    assert [(t.subject, t.value) for t in added.terms].count((Subject.TEXT, text)) == 1
    removed = added.without_term(term)
    assert set(removed.terms) == {t for t in address.terms if (t.subject, t.value) != (Subject.TEXT, text)}


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("wild animals at dusk", ["wild animals at dusk"], []),
        ("wild animals -people at dusk", ["wild animals at dusk"], ["people"]),
        ('a bird -"red parrot"  -cage', ["a bird"], ["red parrot", "cage"]),
        ("black-coral", ["black-coral"], []),
        ("-people", [], ["people"]),
        ("a - b", ["a - b"], []),
        ("--flag", ["--flag"], []),
        ("  ", [], []),
        ('-""', [], []),
    ],
)
def test_a_minus_before_a_word_leaves_it_out(text: str, wanted: list[str], unwanted: list[str]) -> None:
    found = read_address({"words": [text]}).terms
    assert [term.value for term in found if term.wanted] == wanted
    assert [term.value for term in found if not term.wanted] == unwanted


def test_what_a_form_sends_becomes_the_address_of_a_search() -> None:
    sent = {
        "form": ["1"],
        "query": ["an owl"],
        "like": [FILE],
        "words": ["at night -people"],
        "sign1": ["in"],
        "weight1": ["2"],
        "sign2": ["out"],
        "weight2": ["1"],
        "cutoff": ["on"],
        "orientation": [""],
        "format": ["png", "jpeg"],
        "date": ["modified"],
        "from": ["2025-01-01"],
        "until": [""],
        "metadata_name": ["tag"],
        "metadata_value": ["x"],
    }
    assert not is_canonical(sent)
    assert read_address(sent).query() == (
        f"?query=an+owl&query=at+night&without=people&unlike={FILE}&weight1=2"
        "&format=png&format=jpeg&modified.gte=2025-01-01&metadata.tag=x&fold=off"
    )


def test_an_address_without_switches_has_them_on_and_a_form_without_them_off() -> None:
    assert read("query=owl").cutoff
    assert read("query=owl").fold
    sent = read("query=owl&form=1")
    assert (sent.cutoff, sent.fold) == (False, False)
    assert sent.query() == "?query=owl&cutoff=off&fold=off"


def test_a_picture_that_is_looked_for_and_then_left_out_is_one_term() -> None:
    address = read(f"like={FILE}&less={FILE}")
    assert address.terms == (SearchTerm(Subject.FILE, FILE, wanted=False),)
    assert read_address({"picked": [FILE], "unlike": [FILE]}).query() == f"?like={FILE}"


def test_terms_have_the_weights_that_the_api_gives_them_times_their_emphasis() -> None:
    one, other = str(uuid4()), str(uuid4())
    address = read(f"query=a&like={one}&like={other}&without=b&without=c&unlike={FILE}&weight1=2&weight6=0.5")
    assert [term.weight for term in address.composed_terms()] == [2, 0.5, 0.5, -0.5, -0.5, -0.25]
    (text,) = read("query=a&weight1=0.7").composed_terms()
    assert (text.weight, isinstance(text, TextTerm)) == (1, True)


def test_a_search_for_nothing_wanted_says_what_is_missing() -> None:
    with pytest.raises(InvalidRequest, match="Say what to look for"):
        read("without=people").composed_terms()
    assert read("").composed_terms() == ()


def test_a_filter_that_is_dropped_leaves_the_others() -> None:
    address = read("query=a&taken.gte=2024-01-01&taken.lte=2024-02-01&format=png")
    assert address.without_filter("taken.gte", "taken.lte").query() == "?query=a&format=png"
    assert address.filter()
    with pytest.raises(InvalidRequest):
        read("query=a&format=nonsense").filter()
