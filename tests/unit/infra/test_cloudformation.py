"""Deployments, on a CloudFormation in memory with one stack."""

from typing import Any

import pytest

from infra.cloudformation import CloudFormationStack, DeploymentError, Existing, Monitoring
from tests.fakes.cloudformation import FakeCloudFormation, event

TABLE = {"Action": "Modify", "LogicalResourceId": "Table", "ResourceType": "AWS::DynamoDB::Table"}


@pytest.fixture
def lines() -> list[str]:
    return []


def stack_of(cloudformation: FakeCloudFormation, lines: list[str]) -> CloudFormationStack:
    return CloudFormationStack(cloudformation.client, "similarix", lines.append, pause_seconds=0)


def deploy(cloudformation: FakeCloudFormation, lines: list[str], **parameters: str) -> dict[str, str]:
    return stack_of(cloudformation, lines).deploy("https://template", parameters)


def test_a_new_stack_is_created_and_its_outputs_are_returned(lines):
    cloudformation = FakeCloudFormation(
        change_events=[event("Queue", "CREATE_IN_PROGRESS"), event("Queue", "CREATE_COMPLETE")]
    )

    assert deploy(cloudformation, lines, LogLevel="INFO") == {"Url": "https://example.com"}
    (change,) = cloudformation.calls_of("create_change_set")
    assert change["ChangeSetType"] == "CREATE"
    assert change["Parameters"] == [{"ParameterKey": "LogLevel", "ParameterValue": "INFO"}]
    assert [line.split() for line in lines] == [["CREATE_COMPLETE", "Queue"]]


def test_parameters_that_a_deployment_does_not_give_keep_their_values(lines):
    cloudformation = FakeCloudFormation(status="CREATE_COMPLETE", parameters={"LogLevel": "INFO"})
    deploy(cloudformation, lines)

    (change,) = cloudformation.calls_of("create_change_set")
    assert change["ChangeSetType"] == "UPDATE"
    assert change["Parameters"] == [{"ParameterKey": "LogLevel", "UsePreviousValue": True}]


class TestWhatAStackHas:
    TEMPLATE = {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table"}}}  # noqa: RUF012

    def stack(self, lines: list[str], status: str = "UPDATE_COMPLETE") -> CloudFormationStack:
        values = {"LogLevel": "INFO", "RetryDelay": "30"}
        return stack_of(FakeCloudFormation(status=status, parameters=values, template=self.TEMPLATE), lines)

    def test_a_stack_has_its_template_with_values_some_of_which_are_given(self, lines):
        assert self.stack(lines).has(self.TEMPLATE, {"LogLevel": "INFO"})
        assert self.stack(lines, "CREATE_COMPLETE").has(self.TEMPLATE, {})

    @pytest.mark.parametrize("values", [{"LogLevel": "DEBUG"}, {"LogLevel": "INFO", "SignUp": "open"}])
    def test_it_has_no_other_value_and_no_other_parameter(self, lines, values):
        assert not self.stack(lines).has(self.TEMPLATE, values)

    def test_it_has_no_other_template(self, lines):
        assert not self.stack(lines).has({"Resources": {}}, {"LogLevel": "INFO"})

    @pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS", None])
    def test_it_has_nothing_for_certain_unless_its_last_deployment_came_to_its_end(self, lines, status):
        assert not self.stack(lines, status).has(self.TEMPLATE, {"LogLevel": "INFO"})


@pytest.mark.parametrize(
    "reason", ["The submitted information didn't contain changes. Submit…", "No updates are to be performed."]
)
def test_a_deployment_without_changes_succeeds(lines, reason):
    unchanged = {"Status": "FAILED", "StatusReason": reason}
    cloudformation = FakeCloudFormation(status="CREATE_COMPLETE", change_set=unchanged)

    assert deploy(cloudformation, lines) == {"Url": "https://example.com"}
    assert lines == ["similarix: nothing to change"]
    assert cloudformation.calls_of("delete_change_set")


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

    assert cloudformation.calls_of("delete_stack")
    assert cloudformation.calls_of("create_change_set")[0]["ChangeSetType"] == "CREATE"


def test_events_of_earlier_deployments_are_neither_reported_nor_read_again(lines):
    old = [event("Queue", "CREATE_FAILED", "long ago", f"old-{number}") for number in range(3)]
    new = [event("Table", "UPDATE_COMPLETE")]
    cloudformation = FakeCloudFormation(status="UPDATE_COMPLETE", events=list(old), change_events=new)
    deploy(cloudformation, lines)

    assert [line.split() for line in lines] == [["UPDATE_COMPLETE", "Table"]]


class TestReview:
    def test_the_review_of_an_update_sees_the_changes_of_all_pages_before_anything_changes(self, lines):
        pages = [[{**TABLE, "LogicalResourceId": name}] for name in ("One", "Two")]
        cloudformation = FakeCloudFormation(status="CREATE_COMPLETE", changes=pages)
        seen: list[Any] = []

        def look(changes: Any) -> None:
            seen.extend(change["LogicalResourceId"] for change in changes)
            assert not cloudformation.calls_of("execute_change_set")

        stack_of(cloudformation, lines).deploy("https://template", {}, review=look)
        assert seen == ["One", "Two"]
        assert cloudformation.calls_of("execute_change_set")

    def test_a_change_that_the_review_refuses_is_discarded(self, lines):
        cloudformation = FakeCloudFormation(status="CREATE_COMPLETE", changes=[[TABLE]])

        def refuse(changes: Any) -> None:
            raise DeploymentError("no")

        with pytest.raises(DeploymentError, match="no"):
            stack_of(cloudformation, lines).deploy("https://template", {}, review=refuse)
        assert cloudformation.calls_of("delete_change_set")
        assert not cloudformation.calls_of("execute_change_set")
        assert cloudformation.status == "CREATE_COMPLETE"


class TestMonitoring:
    ALARM = "arn:aws:cloudwatch:eu-central-1:111122223333:alarm:similarix-ApiErrorsAlarm"

    def test_an_update_is_rolled_back_by_its_alarms_for_some_minutes(self, lines):
        cloudformation = FakeCloudFormation(status="CREATE_COMPLETE")
        stack_of(cloudformation, lines).deploy("https://template", {}, monitoring=Monitoring([self.ALARM], 5))

        (change,) = cloudformation.calls_of("create_change_set")
        assert change["RollbackConfiguration"] == {
            "RollbackTriggers": [{"Arn": self.ALARM, "Type": "AWS::CloudWatch::Alarm"}],
            "MonitoringTimeInMinutes": 5,
        }

    def test_an_update_without_alarms_does_not_keep_those_of_an_earlier_one(self, lines):
        cloudformation = FakeCloudFormation(status="CREATE_COMPLETE")
        stack_of(cloudformation, lines).deploy("https://template", {}, monitoring=Monitoring([], 5))

        (change,) = cloudformation.calls_of("create_change_set")
        assert change["RollbackConfiguration"] == {"RollbackTriggers": [], "MonitoringTimeInMinutes": 0}

    def test_a_creation_has_no_alarms_yet(self, lines):
        cloudformation = FakeCloudFormation()
        stack_of(cloudformation, lines).deploy("https://template", {}, monitoring=Monitoring([self.ALARM], 5))

        assert "RollbackConfiguration" not in cloudformation.calls_of("create_change_set")[0]


class TestUnfinishedStacks:
    @pytest.mark.parametrize(
        ("status", "remedy"),
        [
            ("UPDATE_IN_PROGRESS", "Wait for its end"),
            ("UPDATE_ROLLBACK_IN_PROGRESS", "Wait for its end"),
            ("DELETE_IN_PROGRESS", "Wait for its end"),
            ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name similarix"),
            ("ROLLBACK_FAILED", "delete-stack --stack-name similarix"),
            ("CREATE_FAILED", "delete-stack --stack-name similarix"),
            ("DELETE_FAILED", "FORCE_DELETE_STACK"),
            ("IMPORT_ROLLBACK_FAILED", "continue-update-rollback"),
        ],
    )
    def test_an_unfinished_stack_is_left_alone_with_a_sentence_that_says_what_to_do(self, lines, status, remedy):
        cloudformation = FakeCloudFormation(status=status)

        with pytest.raises(DeploymentError, match=rf"similarix is {status}.*{remedy}"):
            stack_of(cloudformation, lines).check()
        assert cloudformation.calls == []

    @pytest.mark.parametrize(
        "status", [None, "REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]
    )
    def test_any_other_stack_can_be_deployed(self, lines, status):
        stack_of(FakeCloudFormation(status=status), lines).check()


def test_existing_resources_become_a_new_stacks_by_an_import_that_names_them(lines):
    cloudformation = FakeCloudFormation()
    table = Existing("Table", "AWS::DynamoDB::Table", {"TableName": "restored"})
    stack_of(cloudformation, lines).adopt("https://template", [table])

    (change,) = cloudformation.calls_of("create_change_set")
    assert change["ChangeSetType"] == "IMPORT"
    assert change["ResourcesToImport"] == [
        {
            "LogicalResourceId": "Table",
            "ResourceType": "AWS::DynamoDB::Table",
            "ResourceIdentifier": {"TableName": "restored"},
        }
    ]
    assert cloudformation.status == "IMPORT_COMPLETE"
