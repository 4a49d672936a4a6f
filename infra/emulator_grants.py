"""Which rights calls needed: a record that the emulator keeps for the tests of the roles.

Only the emulator sees every call of every function as IAM sees it: by role, action and resource, the items of a
transaction one by one, and presigned URLs on the role that signed them.
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

GRANTS_VARIABLE = "RECORDED_GRANTS"  # of the emulator's environment: the file
ASSUMED_ROLE = ":assumed-role/"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """What a role may do: an action on a resource, both as the statement of its policy writes them."""

    role: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Use:
    """The grants that calls have needed, and the calls of roles that no grant allowed."""

    grants: frozenset[Grant]
    refusals: frozenset[Grant]

    @classmethod
    def read(cls, file: Path) -> "Use":
        """What was recorded in the file until now."""
        found: dict[bool, set[Grant]] = {True: set(), False: set()}
        for line in file.read_text().splitlines():
            is_allowed, *grant = json.loads(line)
            found[is_allowed].add(Grant(*grant))
        return cls(frozenset(found[True]), frozenset(found[False]))


class Record:
    """Writes each grant and each refusal to a file once, as soon as it is seen."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a", encoding="utf-8")
        self._seen: set[tuple[bool, Grant]] = set()
        self._lock = threading.Lock()

    def add(self, *, is_allowed: bool, grant: Grant) -> None:
        with self._lock:
            if (is_allowed, grant) not in self._seen:
                self._seen.add((is_allowed, grant))
                self._file.write(json.dumps([is_allowed, grant.role, grant.action, grant.resource]) + "\n")
                self._file.flush()


def record_grants(evaluator: Any, file: Path) -> None:
    """Have the emulator record what roles use, and what they are refused, from now on.

    Args:
        evaluator: its module that decides about calls.
    """
    record = Record(file)
    evaluate: Callable[..., Any] = evaluator.evaluate
    enforce: Callable[..., Any] = evaluator.enforce
    # The role whose call is decided in this thread; a bucket's or a queue's policy is evaluated, too, and is not its.
    deciding = threading.local()

    def evaluate_and_record(context: Any, policies: Any, *limits: Any) -> Any:
        result = evaluate(context, policies, *limits)
        role = role_of(context.principal_arn)
        if role and getattr(deciding, "is_first", False):
            deciding.is_first = False
            if result.decision == "Allow":
                for grant in _used(evaluator, role, context, policies):
                    record.add(is_allowed=True, grant=grant)
            elif result.decision == "ImplicitDeny":  # what a statement denies, a test denies on purpose
                record.add(is_allowed=False, grant=Grant(role, context.action, context.resource_arn))
        return result

    def enforce_and_record(*arguments: Any, **named: Any) -> Any:
        deciding.is_first = True
        try:
            return enforce(*arguments, **named)
        finally:
            deciding.is_first = False

    evaluator.evaluate, evaluator.enforce = evaluate_and_record, enforce_and_record


def role_of(principal: str) -> str:
    """The name of the role that a session's ARN names; empty for any other principal."""
    _, is_session, session = principal.partition(ASSUMED_ROLE)
    return session.split("/")[0] if is_session else ""


def _used(evaluator: Any, role: str, context: Any, policies: Any) -> Iterator[Grant]:
    for statement in (statement for policy in policies for statement in policy):
        for action in statement.actions:
            for resource in statement.resources:
                alone = replace(statement, actions=[action], resources=[resource])
                if evaluator._first_match(context, [alone], "Allow"):
                    yield Grant(role, action, resource)
