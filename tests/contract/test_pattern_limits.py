"""The costliest patterns of paths that are admitted: a genuine node builds the automaton of each, and finds what fits.

Lucene refuses a pattern whose automaton is too costly to make deterministic (``too_complex_to_determinize``). It counts
the bytes of UTF-8, so a text of characters with four bytes costs most. ``tests/unit/adapters/test_opensearch_patterns``
computes the effort; here nothing is assumed.
"""

from dataclasses import replace
from random import Random

import pytest

from chalicelib.adapters.opensearch.client import OpenSearchClient, connect
from chalicelib.adapters.opensearch.errors import RequestRejected
from chalicelib.adapters.opensearch.vector_store import OpenSearchVectorStore
from chalicelib.domain.collections import KEY_LIMIT
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.filter_syntax import MAX_PATTERN_TEXT, MAX_PATTERNS, MAX_WILDCARDS, parse_filter
from infra.opensearch.node import Node
from tests.contract.test_vector_store import World, at, with_options
from tests.opensearch import store_on

# One, two, three and four bytes in UTF-8; and a pair that agrees in all bytes but the last.
ALPHABETS = {"ascii": "ab", "accents": "éè", "chinese": "鸟鳥", "emoji": "🦉🦊", "mixed": "aé鸟🦉"}


def words(alphabet: str, parts: int, seed: int) -> list[str]:
    """Texts of as many characters in all as a pattern may have: repetitions that overlap themselves."""
    most = (KEY_LIMIT - MAX_WILDCARDS) // max(len(character.encode()) for character in alphabet)
    random, length = Random(seed), min(MAX_PATTERN_TEXT, most) // parts
    if seed == 0:
        return [alphabet[0] * length] * parts
    if seed == 1:
        return [alphabet[0] * (length - 1) + alphabet[-1]] * parts
    period = "".join(random.choice(alphabet) for _ in range(seed))
    return [(period * length)[:length]] * parts


def pattern(alphabet: str, parts: int, seed: int) -> str:
    return "*".join(["", *words(alphabet, parts, seed), ""])


@pytest.fixture
def store(node: Node, prefix: str) -> OpenSearchVectorStore:
    return store_on(node, prefix)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_the_longest_patterns_are_searched_for_and_find_what_fits(store: OpenSearchVectorStore, alphabet: str) -> None:
    world, patterns, pictures = World(), [], []
    for parts in (1, 2, MAX_WILDCARDS - 1):
        for seed in (0, 1, 2, 3, 5):
            number, written = len(patterns), pattern(ALPHABETS[alphabet], parts, seed)
            patterns.append(written)
            picture = world.picture(number, at(number / 100))
            pictures.append(replace(picture, file=replace(picture.file, path=written.replace("*", ""))))
    store.upsert(pictures)
    for number, written in enumerate(patterns):
        options = with_options(world.query(limit=50), filter=parse_filter({"path": written}))
        assert number in world.numbers(store.search(options)), written
    several = parse_filter({"path": patterns[:MAX_PATTERNS]})
    assert len(store.search(with_options(world.query(limit=50), filter=several))) >= MAX_PATTERNS


def test_a_longer_pattern_is_refused_by_its_field_and_a_much_longer_one_by_the_node(
    node: Node, store: OpenSearchVectorStore
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_filter({"path": "*" + "a" * (MAX_PATTERN_TEXT + 1)})
    assert refused.value.field == "filter.path"
    world = World()
    store.upsert([world.picture(1)])
    query = {"query": {"wildcard": {"path": {"value": "*" + "a" * 900}}}}
    with pytest.raises(RequestRejected, match="Determinizing automaton"):
        OpenSearchClient(connect(node.endpoint)).request(
            "POST", f"/{store.indexes.read_alias(world.model)}/_search", query
        )
