"""The deployer's conversation with CloudFormation, on a stand-in that holds one."""

from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from infra.cloudformation import CloudFormationStack, DeploymentError


@dataclass
class FakeCloudFormation:
    """One stack, whose change ends as it is told to."""

    status: str | None = None
    parameters: list[str] = field(default_factory=list)
    change_set: dict = field(default_factory=lambda: {"Status": "CREATE_COMPLETE"})
    end: str = "CREATE_COMPLETE"
    told: list[dict] = field(default_factory=list)  # the change's events, oldest first
    asked: list[tuple[str, dict]] = field(default_factory=list)
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

    def create_change_set(self, **asked):
        self.asked.append(("create_change_set", asked))
        self.status = self.status or "REVIEW_IN_PROGRESS"

    def describe_change_set(self, **_):
        return self.change_set

    def delete_change_set(self, **asked):
        self.asked.append(("delete_change_set", asked))

    def execute_change_set(self, **_):
        self.status = self.end
        self.events = self.told

    def delete_stack(self, **asked):
        self.asked.append(("delete_stack", asked))
        self.status = None

    def get_paginator(self, _):
        return self

    def paginate(self, **_):
        return [{"StackEvents": list(reversed(self.events))}]


def event(name: str, status: str, reason: str = "") -> dict:
    return {
        "EventId": f"{name}-{status}",
        "LogicalResourceId": name,
        "ResourceType": "AWS::Some::Thing",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


@pytest.fixture
def said():
    return []


def deploy(cloudformation, said, **parameters):
    return CloudFormationStack(cloudformation, "similarix", said.append, pause_seconds=0).deploy(
        "https://template", parameters
    )


def asked(cloudformation, what):
    return [arguments for name, arguments in cloudformation.asked if name == what]


def test_a_new_stack_is_created_and_its_outputs_answered(said):
    cloudformation = FakeCloudFormation(told=[event("Queue", "CREATE_IN_PROGRESS"), event("Queue", "CREATE_COMPLETE")])

    assert deploy(cloudformation, said, LogLevel="INFO") == {"Url": "https://example.com"}
    (change,) = asked(cloudformation, "create_change_set")
    assert change["ChangeSetType"] == "CREATE"
    assert change["Parameters"] == [{"ParameterKey": "LogLevel", "ParameterValue": "INFO"}]
    assert [line.split() for line in said] == [["CREATE_COMPLETE", "Queue"]]


def test_parameters_that_are_not_given_keep_their_values(said):
    cloudformation = FakeCloudFormation(status="CREATE_COMPLETE", end="UPDATE_COMPLETE", parameters=["LogLevel"])
    deploy(cloudformation, said)

    (change,) = asked(cloudformation, "create_change_set")
    assert change["ChangeSetType"] == "UPDATE"
    assert change["Parameters"] == [{"ParameterKey": "LogLevel", "UsePreviousValue": True}]


@pytest.mark.parametrize(
    "reason", ["The submitted information didn't contain changes. Submit…", "No updates are to be performed."]
)
def test_nothing_to_change_is_success(said, reason):
    unchanged = {"Status": "FAILED", "StatusReason": reason}
    cloudformation = FakeCloudFormation(status="CREATE_COMPLETE", change_set=unchanged)

    assert deploy(cloudformation, said) == {"Url": "https://example.com"}
    assert said == ["similarix: nothing to change"]
    assert asked(cloudformation, "delete_change_set")


def test_a_change_that_is_refused_says_why(said):
    refused = {"Status": "FAILED", "StatusReason": "Transform AWS::Serverless failed"}

    with pytest.raises(DeploymentError, match="Transform AWS::Serverless failed"):
        deploy(FakeCloudFormation(change_set=refused), said)


def test_a_failure_names_the_resource_that_caused_it(said):
    told = [
        event("Table", "CREATE_FAILED", "Resource creation cancelled"),
        event("Queue", "CREATE_FAILED", "the queue's name is too long"),
        event("Bucket", "CREATE_FAILED", "the bucket is there already"),
        event("similarix", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Queue]"),
    ]
    with pytest.raises(DeploymentError, match=r"ROLLBACK_COMPLETE.*Queue \(AWS::Some::Thing\).*too long"):
        deploy(FakeCloudFormation(end="ROLLBACK_COMPLETE", told=told), said)
    assert any("ROLLBACK_IN_PROGRESS" in line for line in said)


def test_what_a_failed_first_deployment_left_is_removed(said):
    cloudformation = FakeCloudFormation(status="ROLLBACK_COMPLETE")
    deploy(cloudformation, said)

    assert asked(cloudformation, "delete_stack")
    assert asked(cloudformation, "create_change_set")[0]["ChangeSetType"] == "CREATE"
