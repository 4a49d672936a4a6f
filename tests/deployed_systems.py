"""What the roles of each system that the tests deploy may do, and what they have done, as files of the whole run.

Several processes deploy a system each, and ``tests/e2e/test_permissions.py`` judges the rights by what all have used.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infra.deploy import LOCAL_STACK
from infra.emulator_grants import Grant, Use

ROLE = "AWS::IAM::Role"
USED_FILE, ROLES_FILE = "used.jsonl", "roles.json"


@dataclass(frozen=True)
class DeployedSystem:
    """The files of one system, in a folder of its own; names of its resources are those of the template."""

    folder: Path

    @classmethod
    def all(cls, folder: Path) -> "list[DeployedSystem]":
        """The systems that have been deployed below the folder, by any process."""
        return [cls(file.parent) for file in sorted(folder.glob(f"*/{ROLES_FILE}"))]

    @property
    def used_file(self) -> Path:
        """The emulator writes there."""
        return self.folder / USED_FILE

    def record(self, aws: Callable[..., Any]) -> None:
        """Keeps what the roles may do, and how the resources of this deployment are called."""
        pages = aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=LOCAL_STACK)
        resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
        roles = [each["PhysicalResourceId"] for each in resources if each["ResourceType"] == ROLE]
        grants = [grant for role in roles for grant in _grants(aws("iam"), role)]
        names = {each["PhysicalResourceId"]: each["LogicalResourceId"] for each in resources}
        content = {
            "names": names,
            "roles": {role: names[role].removesuffix("Role") for role in roles},
            "grants": [(grant.role, grant.action, grant.resource) for grant in grants],
        }
        (self.folder / ROLES_FILE).write_text(json.dumps(content))

    def granted(self) -> set[Grant]:
        """What its roles may do, each by its function's name."""
        content = self._content()
        return set(_by_template(content, (Grant(*grant) for grant in content["grants"])))

    def use(self) -> Use:
        """What its roles have done until now, and what they were refused."""
        content, recorded = self._content(), Use.read(self.used_file)
        return Use(
            frozenset(_by_template(content, recorded.grants)), frozenset(_by_template(content, recorded.refusals))
        )

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / ROLES_FILE).read_text())
        return content


def _by_template(content: Mapping[str, Any], grants: Iterator[Grant] | frozenset[Grant]) -> Iterator[Grant]:
    """The grants of the template's roles; each deployment gives its resources other names."""
    names, roles = content["names"], content["roles"]
    for grant in grants:
        if grant.role in roles:
            resource = re.sub(r"[^:/]+", lambda part: names.get(part[0], part[0]), grant.resource)
            yield replace(grant, role=roles[grant.role], resource=resource)


def _grants(iam: Any, role: str) -> Iterator[Grant]:
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for statement in document["Statement"]:
            for action in _as_list(statement["Action"]):
                for resource in _as_list(statement["Resource"]):
                    yield Grant(role, action, resource)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
