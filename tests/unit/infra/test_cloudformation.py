"""Deployments, on a CloudFormation in memory with one stack."""

from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from infra.cloudformation import CloudFormationStack, DeploymentError


@dataclass
class FakeCloudFormation:
    """One stack, whose change ends in the status ``end`` after the events of ``change_events``, oldest first."""

    status: str | None = None
    parameters: list[str] = field(default_factory=list)
    change_set: dict = field(default_factory=lambda: {"Status": "CREATE_COMPLETE"})
    end: str = "CREATE_COMPLETE"
    change_events: list[dict] = field(default_factory=list)
    calls: list[tuple[str, dict]] = field(default_factory=list)
    events: list[dict] = field(default_factory=list)

    def describe_stacks(self, StackName):  # noqa: N803
        if self.status is None:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        parameters = [{"ParameterKey": name} for name in self.parameters]
        outputs = [{"OutputKey": "Url", "OutputValue": "https://example.com"}]
        return {"Stacks": [{"StackStatus": self.status, "Parameters": parameters, "Outputs": outputs}]}

    def get_template_summary(self, **_):
        return {"Parameters": [{"ParameterKey": "LogLevel"}, {"ParameterKey": "New"}]}

    def create_change_set(self, **arguments):
        self.calls.append(("create_change_set", arguments))
        self.status = self.status or "REVIEW_IN_PROGRESS"

    def describe_change_set(self, **_):
        return self.change_set

    def delete_change_set(self, **arguments):
        self.calls.append(("delete_change_set", arguments))

    def execute_change_set(self, **_):
        self.status = self.end
        self.events = self.change_events

    def delete_stack(self, **arguments):
        self.calls.append(("delete_stack", arguments))
        self.status = None

    def get_paginator(self, _):
        return self

    def paginate(self, **_):
        return [{"StackEvents": list(reversed(self.events))}]


def event(name: str, status: str, reason: str = "") -> dict:
    return {
        "EventId": f"{name}-{status}",
        "LogicalResourceId": name,
        "ResourceType": "AWS::SQS::Queue",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


@pytest.fixture
def lines():
    return []


def deploy(cloudformation, lines, **parameters):
    return CloudFormationStack(cloudformation, "similarix", lines.append, pause_seconds=0).deploy(
        "https://template", parameters
    )


def calls_of(cloudformation, operation):
    return [arguments for name, arguments in cloudformation.calls if name == operation]


def test_a_new_stack_is_created_and_its_outputs_are_returned(lines):
    cloudformation = FakeCloudFormation(
        change_events=[event("Queue", "CREATE_IN_PROGRESS"), event("Queue", "CREATE_COMPLETE")]
    )

    assert deploy(cloudformation, lines, LogLevel="INFO") == {"Url": "https://example.com"}
    (change,) = calls_of(cloudformation, "create_change_set")
    assert change["ChangeSetType"] == "CREATE"
    assert change["Parameters"] == [{"ParameterKey": "LogLevel", "ParameterValue": "INFO"}]
    assert [line.split() for line in lines] == [["CREATE_COMPLETE", "Queue"]]


def test_parameters_that_a_deployment_does_not_give_keep_their_values(lines):
    cloudformation = FakeCloudFormation(status="CREATE_COMPLETE", end="UPDATE_COMPLETE", parameters=["LogLevel"])
    deploy(cloudformation, lines)

    (change,) = calls_of(cloudformation, "create_change_set")
    assert change["ChangeSetType"] == "UPDATE"
    assert change["Parameters"] == [{"ParameterKey": "LogLevel", "UsePreviousValue": True}]


@pytest.mark.parametrize(
    "reason", ["The submitted information didn't contain changes. Submit…", "No updates are to be performed."]
)
def test_a_deployment_without_changes_succeeds(lines, reason):
    unchanged = {"Status": "FAILED", "StatusReason": reason}
    cloudformation = FakeCloudFormation(status="CREATE_COMPLETE", change_set=unchanged)

    assert deploy(cloudformation, lines) == {"Url": "https://example.com"}
    assert lines == ["similarix: nothing to change"]
    assert calls_of(cloudformation, "delete_change_set")


def test_the_error_of_a_refused_change_has_the_reason(lines):
    refused = {"Status": "FAILED", "StatusReason": "Transform AWS::Serverless failed"}

    with pytest.raises(DeploymentError, match="Transform AWS::Serverless failed"):
        deploy(FakeCloudFormation(change_set=refused), lines)


def test_the_error_of_a_failed_deployment_names_the_resource_that_caused_it(lines):
    events = [
        event("Table", "CREATE_FAILED", "Resource creation cancelled"),
        event("Queue", "CREATE_FAILED", "the queue's name is too long"),
        event("Bucket", "CREATE_FAILED", "the bucket exists"),
        event("similarix", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Queue]"),
    ]
    with pytest.raises(DeploymentError, match=r"ROLLBACK_COMPLETE.*Queue \(AWS::SQS::Queue\).*too long"):
        deploy(FakeCloudFormation(end="ROLLBACK_COMPLETE", change_events=events), lines)
    assert any("ROLLBACK_IN_PROGRESS" in line for line in lines)


def test_the_remains_of_a_failed_first_deployment_are_removed(lines):
    cloudformation = FakeCloudFormation(status="ROLLBACK_COMPLETE")
    deploy(cloudformation, lines)

    assert calls_of(cloudformation, "delete_stack")
    assert calls_of(cloudformation, "create_change_set")[0]["ChangeSetType"] == "CREATE"
