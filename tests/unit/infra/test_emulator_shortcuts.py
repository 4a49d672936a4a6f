"""Shortcuts in the emulator change nothing of what it decides."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from infra.emulator_shortcuts import receiving_from_filled, without_repetitions

CHECKS = st.lists(st.tuples(st.sampled_from(["dynamodb:PutItem", "dynamodb:UpdateItem"]), st.sampled_from("ab")))


@given(CHECKS)
def test_each_right_that_a_transaction_needs_is_checked_once(checks: list[tuple[str, str]]) -> None:
    found = without_repetitions(lambda *_: checks)("dynamodb:TransactWriteItems", b"{}", "us-east-1", "000000000000")
    assert set(found) == set(checks)
    assert len(found) == len(set(found))


def test_event_sources_receive_from_queues_that_have_messages_and_leave_the_others_alone() -> None:
    queues = {"filled": {"messages": ["one", "two"]}, "empty": {"messages": []}}
    asked: list[str] = []

    def receive(url: str, count: int) -> list[str]:
        asked.append(url)
        return queues[url]["messages"][:count]

    receive_or_nothing = receiving_from_filled(SimpleNamespace(_get_q=queues.__getitem__), receive)
    assert (receive_or_nothing("filled", 1), receive_or_nothing("empty", 10)) == (["one"], [])
    assert asked == ["filled"]
