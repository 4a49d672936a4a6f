"""What calls need of the rights of roles is recorded, statement by statement."""

from types import SimpleNamespace

import pytest
from ministack.core import iam_evaluator

from infra.emulator_grants import Grant, Use, record_grants, role_of

TABLE, INDEX = "arn:aws:dynamodb:us-east-1:000000000000:table/t", "arn:aws:dynamodb:us-east-1:000000000000:table/t/*"
SESSION = "arn:aws:sts::000000000000:assumed-role/reader/session"


def policy(*actions, resources=(TABLE, INDEX), effect="Allow"):
    statement = {"Effect": effect, "Action": list(actions), "Resource": list(resources)}
    return iam_evaluator.parse_policy_document({"Statement": [statement]})


class Calls:
    """Calls of a role, decided by the emulator's own evaluation, which is left as it is for others."""

    def __init__(self, file):
        self._file = file
        self._evaluator = SimpleNamespace(
            evaluate=iam_evaluator.evaluate, _first_match=iam_evaluator._first_match, enforce=self._decide
        )
        record_grants(self._evaluator, file)

    def _decide(self, action, resource, policies, principal, resource_policy):
        context = iam_evaluator.EvalContext(principal, "AssumedRole", "000000000000", action, resource, "us-east-1")
        result = self._evaluator.evaluate(context, policies)
        if resource_policy is not None:
            self._evaluator.evaluate(context, [resource_policy])
        return result.decision

    def make(self, action, resource, *policies, principal=SESSION, resource_policy=None):
        return self._evaluator.enforce(action, resource, policies, principal, resource_policy)

    @property
    def use(self):
        return Use.read(self._file)


@pytest.fixture
def calls(tmp_path):
    return Calls(tmp_path / "grants.jsonl")


def test_a_call_uses_the_action_and_the_resource_of_its_statement_and_no_other_of_it(calls):
    assert calls.make("dynamodb:GetItem", TABLE, policy("dynamodb:Get*", "dynamodb:PutItem")) == "Allow"

    assert calls.use == Use(frozenset({Grant("reader", "dynamodb:Get*", TABLE)}), frozenset())


def test_a_call_uses_each_policy_that_allows_it(calls):
    calls.make("dynamodb:Query", f"{TABLE}/index", policy("dynamodb:Query"), policy("dynamodb:Q*"))

    assert calls.use.grants == {Grant("reader", action, INDEX) for action in ("dynamodb:Query", "dynamodb:Q*")}


def test_a_call_that_no_statement_allows_is_a_refusal(calls):
    assert calls.make("dynamodb:PutItem", TABLE, policy("dynamodb:GetItem")) == "ImplicitDeny"

    assert calls.use == Use(frozenset(), frozenset({Grant("reader", "dynamodb:PutItem", TABLE)}))


def test_a_call_that_a_statement_denies_lacks_no_right(calls):
    denial = policy("dynamodb:GetItem", effect="Deny")
    assert calls.make("dynamodb:GetItem", TABLE, policy("dynamodb:GetItem"), denial) == "Deny"

    assert calls.use == Use(frozenset(), frozenset())


def test_the_policy_of_a_bucket_or_a_queue_is_not_the_roles(calls):
    calls.make("dynamodb:GetItem", TABLE, policy("dynamodb:GetItem"), resource_policy=policy("s3:GetObject"))

    assert calls.use == Use(frozenset({Grant("reader", "dynamodb:GetItem", TABLE)}), frozenset())


def test_what_a_user_does_is_not_recorded(calls):
    calls.make("dynamodb:GetItem", TABLE, policy("dynamodb:GetItem"), principal="arn:aws:iam::000000000000:user/u")

    assert calls.use == Use(frozenset(), frozenset())


def test_only_a_session_has_a_role():
    assert role_of(SESSION) == "reader"
    assert role_of("arn:aws:iam::000000000000:role/reader") == ""
