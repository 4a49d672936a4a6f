"""CloudFormation in memory, with one stack, as ``infra.cloudformation`` uses it."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.fakes.modelled import ModelledClient, refusal

NOW = datetime(2026, 11, 26, tzinfo=UTC)
STACK_ID = "arn:aws:cloudformation:eu-central-1:111122223333:stack/similarix/0a1b2c3d"
TEMPLATE_PARAMETERS = ("LogLevel", "New")


@dataclass
class FakeCloudFormation:
    """One stack, whose change ends in the status ``end`` after the events of ``change_events``, oldest first.

    ``calls`` are the operations that change something, in their order.
    """

    status: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    declared: tuple[str, ...] = TEMPLATE_PARAMETERS
    change_set: dict[str, Any] = field(default_factory=lambda: {"Status": "CREATE_COMPLETE"})
    changes: list[list[dict[str, Any]]] = field(default_factory=lambda: [[]])  # a list for each page
    end: str = ""  # by default the one of the change set's type
    change_events: list[dict[str, Any]] = field(default_factory=list)
    resources: dict[str, str] = field(default_factory=dict)
    template: dict[str, Any] = field(default_factory=lambda: {"Resources": {}})
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the URLs that change sets name
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    protected: bool = False

    @property
    def client(self) -> Any:
        return ModelledClient("cloudformation", self)

    def calls_of(self, operation: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == operation]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if self.status is None:
            raise refusal("ValidationError", f"Stack with id {StackName} does not exist", "DescribeStacks")
        stack = {
            "StackId": STACK_ID,
            "StackName": StackName,
            "CreationTime": NOW,
            "StackStatus": self.status,
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()],
            "Outputs": [{"OutputKey": "Url", "OutputValue": "https://example.com"}],
        }
        return {"Stacks": [stack]}

    def get_template_summary(self, **_: Any) -> dict[str, Any]:
        return {"Parameters": [{"ParameterKey": name} for name in self.declared]}

    def get_template(self, **_: Any) -> dict[str, Any]:
        return {"TemplateBody": json.dumps(self.template)}

    def create_change_set(self, **arguments: Any) -> None:
        self.calls.append(("create_change_set", arguments))
        self.status = self.status or "REVIEW_IN_PROGRESS"

    def describe_change_set(self, **_: Any) -> Any:
        pages = [
            {**self.change_set, "Changes": [{"Type": "Resource", "ResourceChange": each} for each in page]}
            for page in self.changes
        ]
        return pages if len(pages) > 1 else pages[0]

    def delete_change_set(self, **arguments: Any) -> None:
        self.calls.append(("delete_change_set", arguments))

    def execute_change_set(self, **arguments: Any) -> None:
        self.calls.append(("execute_change_set", arguments))
        change = self.calls_of("create_change_set")[-1]
        self.template = self.templates.get(change["TemplateURL"], self.template)
        self.status = self.end or f"{change['ChangeSetType']}_COMPLETE"
        values = {each["ParameterKey"]: each.get("ParameterValue") for each in change.get("Parameters", ())}
        self.parameters |= {name: value for name, value in values.items() if value is not None}
        self.events += self.change_events

    def delete_stack(self, **arguments: Any) -> None:
        self.calls.append(("delete_stack", arguments))
        self.status = None

    def describe_stack_resource(self, StackName: str, LogicalResourceId: str) -> dict[str, Any]:  # noqa: N803
        if LogicalResourceId not in self.resources:
            message = f"Resource {LogicalResourceId} does not exist for stack {StackName}"
            raise refusal("ValidationError", message, "DescribeStackResource")
        detail = {
            "LogicalResourceId": LogicalResourceId,
            "PhysicalResourceId": self.resources[LogicalResourceId],
            "ResourceType": "AWS::DynamoDB::Table",
            "LastUpdatedTimestamp": NOW,
            "ResourceStatus": "CREATE_COMPLETE",
        }
        return {"StackResourceDetail": detail}

    def update_termination_protection(self, **arguments: Any) -> None:
        self.protected = arguments["EnableTerminationProtection"]

    def describe_stack_events(self, **_: Any) -> list[dict[str, Any]]:
        return [{"StackEvents": list(reversed(self.events))}]


def event(name: str, status: str, reason: str = "", identifier: str = "") -> dict[str, Any]:
    return {
        "StackId": STACK_ID,
        "EventId": identifier or f"{name}-{status}",
        "StackName": "similarix",
        "LogicalResourceId": name,
        "ResourceType": "AWS::SQS::Queue",
        "Timestamp": NOW,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }
