"""The checks of a bucket's access as a list that turns good from above, by what the access check found."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.dashboard.texts import text
from chalicelib.domain.bucket_access import AccessProblem, AccessReport, permissions_policy
from chalicelib.domain.collections import Collection

TRIES = 120  # every 5 seconds, for 10 minutes
# In the order in which they are made, with the codes of the problems that each may find.
_CHECKS = (
    ("assume", ("role_not_assumable", "folder_too_long")),
    ("external_id", ("external_id_not_required",)),
    ("bucket", ("no_such_bucket", "wrong_region")),
    ("list", ("list_denied",)),
    ("read", ("get_denied",)),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``state`` is ``good``, ``bad`` or ``wait``.

    Args:
        advice: what to do about a bad one.
        statement: of a policy, that a bad one lacks, as JSON to copy.
    """

    words: str
    state: str
    advice: str | None = None
    statement: str | None = None


def waiting_checks(collection: Collection) -> list[Check]:
    """The checks before a role is named."""
    return [Check(_words(name, collection), "wait") for name, _ in _CHECKS]


def checks_of(report: AccessReport) -> list[Check]:
    """The checks of a report: all before the first problem have passed, and those after it wait."""
    collection = report.collection
    problem = next(iter(report.findings.problems), None)
    if problem is None:
        return [Check(_words(name, collection), "good") for name, _ in _CHECKS]
    at = next((number for number, (_, codes) in enumerate(_CHECKS) if problem.code in codes), len(_CHECKS) - 1)
    checks = [Check(_words(name, collection), "good") for name, _ in _CHECKS[:at]]
    checks.append(_failed(_CHECKS[at][0], problem, collection))
    return [*checks, *(Check(_words(name, collection), "wait") for name, _ in _CHECKS[at + 1 :])]


def is_ready(checks: Sequence[Check]) -> bool:
    return all(check.state == "good" for check in checks)


def _words(name: str, collection: Collection) -> str:
    return text(f"connect.check_{name}", region=collection.region)


def _failed(name: str, problem: AccessProblem, collection: Collection) -> Check:
    assert collection.role_arn is not None
    allowed: list[dict[str, Any]] = permissions_policy(
        collection.bucket, collection.prefix, collection.role_arn.split(":")[1]
    )["Statement"]
    lacking = {"list": allowed[0], "read": allowed[1]}.get(name)
    statement = json.dumps(lacking) if lacking is not None else None
    return Check(text(f"connect.failed_{name}"), "bad", problem.message, statement)
