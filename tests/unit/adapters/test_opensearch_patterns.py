"""Patterns of paths: OpenSearch can build the automaton of each that is admitted."""

import pytest

from chalicelib.domain.filter_syntax import MAX_PATTERN_TEXT, MAX_WILDCARDS, parse_filter

# Ten times ``DEFAULT_DETERMINIZE_WORK_LIMIT``, as ``Operations.determinize`` counts:
# https://github.com/apache/lucene/blob/releases/lucene/9.12.0/lucene/core/src/java/org/apache/lucene/util/automaton/Operations.java
LUCENE_LIMIT = 100_000
PART = MAX_PATTERN_TEXT // (MAX_WILDCARDS - 1)


def determinization_effort(pattern: str) -> int:
    """The sizes of all sets of states, in sum, which the subset construction makes of a wildcard's automaton."""
    characters = {*pattern, "\0"} - {"*"}

    def closed(states: set[int]) -> frozenset[int]:
        """A star may stand for nothing: its state is left without a character."""
        for state in sorted(states):
            while state < len(pattern) and pattern[state] == "*":
                state += 1
                states.add(state)
        return frozenset(states)

    def after(states: frozenset[int], character: str) -> frozenset[int]:
        stay = {state for state in states if pattern[state : state + 1] == "*"}
        return closed(stay | {state + 1 for state in states if pattern[state : state + 1] == character})

    seen = {closed({0})}
    left, effort = list(seen), 0
    while left:
        states = left.pop()
        effort += len(states)
        new = {after(states, character) for character in characters} - seen
        seen |= new
        left += new
    return effort


@pytest.mark.parametrize(
    "pattern",
    [
        "*" + "a" * MAX_PATTERN_TEXT,
        "*" + "a" * MAX_PATTERN_TEXT + "*",
        "*" + "a" * (MAX_PATTERN_TEXT - 1) + "b*",
        "*".join(["", *["a" * PART] * (MAX_WILDCARDS - 1), ""]),
        "*".join(["", *["a" * (PART - 1) + "b"] * (MAX_WILDCARDS - 1), ""]),
        "*".join(["", *["a" * (PART - 2) + "ba"] * (MAX_WILDCARDS - 1), ""]),
        "a" * 700 + "*" + "a" * MAX_PATTERN_TEXT,
    ],
)
def test_the_automaton_of_the_longest_patterns_is_built(pattern: str) -> None:
    assert parse_filter({"path": pattern}).clauses
    assert determinization_effort(pattern) < LUCENE_LIMIT


def test_a_pattern_beyond_the_limit_is_one_that_lucene_refuses() -> None:
    assert determinization_effort("*" + "a" * 500) >= LUCENE_LIMIT
