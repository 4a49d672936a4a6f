"""What the emulator keeps is what it would have worked out, for whatever it is asked."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ministack.core import iam_evaluator, router
from ministack.services import dynamodb

from infra.emulator_memory import by_tokens, copied, hosts_of_services, statements_by_document, tokens_by_expression

# Parts of expressions in any order: most of them are wrong, and must be refused in the same words.
PARTS = ("attribute_not_exists(", "size(", "(", ")", "pk", "#n", ":v", "=", "<>", "<=", " AND ", " or ", "NOT ", "[1]")
PARTS += (" BETWEEN ", " IN ", ".", ",", "begins_with(", "name", "status", "12", "%", "SET ", "REMOVE ", "+")
EXPRESSIONS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)
CONDITIONS = (
    "pk = :pk AND sk > :sk",
    "pk = :pk AND sk BETWEEN :a AND :b",
    "attribute_not_exists(fence) OR fence < :fence",
    "((a = :a))",
    "size = :a",
    "",
)
SLOTS = st.sampled_from(["ConditionExpression", "FilterExpression"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = st.sampled_from(["s3:GetObject", "s3:*", "*", "arn:aws:s3:::a/*"])
ONE_OR_MORE = NAMES | st.lists(NAMES, max_size=3) | st.none()
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny", "Perhaps"])},
    optional={"Action": ONE_OR_MORE, "NotAction": ONE_OR_MORE, "Resource": ONE_OR_MORE, "Sid": st.text(max_size=3)},
)
POLICIES = st.fixed_dictionaries({"Statement": STATEMENTS | st.lists(STATEMENTS, max_size=3)})

remembered_tokens = tokens_by_expression(dynamodb._tokenize)
remembered_parens = by_tokens(dynamodb._check_redundant_parens)
remembered_keywords = by_tokens(dynamodb._check_reserved_keyword_usage)
remembered_statements = statements_by_document(iam_evaluator.parse_policy_document)


@given(EXPRESSIONS | st.sampled_from(CONDITIONS), SLOTS)
def test_an_expression_has_the_tokens_and_the_faults_that_it_has_when_read_anew(expression: str, slot: str) -> None:
    for _ in range(2):
        tokens = remembered_tokens(expression)
        assert tokens == dynamodb._tokenize(expression)
        assert remembered_parens(tokens, slot) == dynamodb._check_redundant_parens(tokens, slot)
        assert remembered_keywords(tokens) == dynamodb._check_reserved_keyword_usage(tokens)


def test_who_changes_the_tokens_of_an_expression_changes_nobody_elses() -> None:
    remembered_tokens("pk = :pk").clear()
    assert remembered_tokens("pk = :pk") == dynamodb._tokenize("pk = :pk")


@given(POLICIES)
def test_a_policy_has_the_statements_that_it_has_when_read_anew(policy: dict[str, Any]) -> None:
    for document in (policy, json.dumps(policy)):
        for _ in range(2):
            assert remembered_statements(document) == iam_evaluator.parse_policy_document(document)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_policy_that_takes_the_place_of_another_counts_from_then_on(as_text: bool) -> None:
    def document(number: int) -> Any:
        policy = {"Statement": {"Effect": "Allow", "Action": f"s3:{number}", "Resource": "*"}}
        return json.dumps(policy) if as_text else policy

    for number in range(2_000):  # more than are kept, each of which may take the memory of the one before
        (statement,) = remembered_statements(document(number))
        assert statement.actions == [f"s3:{number}"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:4566", "localhost:4566", "sqs.localhost:4566", "sqs.us-east-1.amazonaws.com", "logs.example.com", ""],
)
@pytest.mark.parametrize("path", ["/", "/bucket/key.jpg", "/queue/jobs"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_host_leads_to_the_service_to_which_it_leads_when_every_pattern_is_tried(host, path, method, monkeypatch):
    expected = router.detect_service(method, path, {"host": host}, {})
    monkeypatch.setattr(router, "_host_served_by_stack", hosts_of_services(router, router._host_served_by_stack))
    assert [router.detect_service(method, path, {"host": host}, {}) for _ in range(2)] == 2 * [expected]


@given(JSON)
def test_a_copy_equals_its_original_and_shares_nothing_with_it(value: Any) -> None:
    made = copied(value)
    assert made == value
    assert not _parts(made) & _parts(value)


def test_a_copy_of_what_json_does_not_have_is_pythons_own() -> None:
    class Scoped(dict[str, Any]):
        """As the emulator keeps what belongs to an account."""

    original = {"scoped": Scoped(a=[1]), "set": {1, 2}, "bytes": b"a", "tuple": ([1],)}
    made = copied(original)
    assert made == copy.deepcopy(original)
    assert type(made["scoped"]) is Scoped
    assert made["scoped"]["a"] is not original["scoped"]["a"]
    assert made["tuple"][0] is not original["tuple"][0]


def _parts(value: Any) -> set[int]:
    """The identities of all lists and dictionaries of a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        return set()
    return {id(value)}.union(*map(_parts, inner))
