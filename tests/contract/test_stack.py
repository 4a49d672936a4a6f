"""Deployments of small templates: what ``infra.stack`` decides, on CloudFormation as the emulator has it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.artifacts import Artifacts
from infra.cloudformation import CloudFormationStack, DeploymentError, Existing
from infra.stack import changes, indexes
from infra.stack.adoption import Adopted, import_template

NAME = "small"


@pytest.fixture
def artifacts(aws: Callable[[str], Any], emulator: Any) -> Artifacts:
    artifacts = Artifacts(aws("s3"), "000000000000", emulator.session().region_name)
    artifacts.prepare()
    return artifacts


@pytest.fixture
def stack(aws: Callable[[str], Any]) -> Iterator[CloudFormationStack]:
    cloudformation = aws("cloudformation")
    yield CloudFormationStack(cloudformation, NAME, lambda _: None, pause_seconds=0.05)
    cloudformation.update_termination_protection(StackName=NAME, EnableTerminationProtection=False)
    cloudformation.delete_stack(StackName=NAME)


def table(*names: str, key: str = "pk", **settings: Any) -> dict[str, Any]:
    """A template with one table that has indexes of these names."""
    attributes = [key, *(f"key-of-{name}" for name in names)]
    properties: dict[str, Any] = {
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        **settings,
    }
    if names:
        properties["GlobalSecondaryIndexes"] = [
            {
                "IndexName": name,
                "KeySchema": [{"AttributeName": f"key-of-{name}", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
            for name in names
        ]
    kept = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    return {"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", **kept, "Properties": properties}}}


def names_of(aws: Callable[[str], Any], name: str | None) -> set[str]:
    found = aws("dynamodb").describe_table(TableName=name)["Table"].get("GlobalSecondaryIndexes", ())
    return {index["IndexName"] for index in found}


def test_a_table_gets_two_indexes_and_loses_two_in_as_many_updates(
    stack: CloudFormationStack, artifacts: Artifacts, aws: Callable[[str], Any]
) -> None:
    old, new = table("by-a", "by-b"), table("by-c", "by-d")
    stack.deploy(artifacts.add_template(json.dumps(old)), {})
    name = stack.resource("Table")
    steps = [*indexes.before(stack.template(), new), *indexes.after(stack.template(), new)]
    seen = []
    for step in steps:
        stack.deploy(artifacts.add_template(json.dumps(step)), {}, review=changes.review(()))
        seen.append(names_of(aws, name))

    kept = {"by-c", "by-d"}
    assert seen == [{"by-a", "by-b", "by-c"}, {"by-a", "by-b", *kept}, {"by-a", "by-b", *kept}, {"by-b", *kept}, kept]
    assert stack.resource("Table") == name


def test_a_change_set_that_would_replace_a_table_is_refused_and_leaves_it_as_it_is(
    stack: CloudFormationStack, artifacts: Artifacts
) -> None:
    stack.deploy(artifacts.add_template(json.dumps(table())), {})
    name = stack.resource("Table")
    replacing = artifacts.add_template(json.dumps(table(key="another")))

    with pytest.raises(DeploymentError, match=r"Table \(AWS::DynamoDB::Table .*\) (would|may) be replaced"):
        stack.deploy(replacing, {}, review=changes.review(()))
    assert stack.resource("Table") == name
    assert stack.status() == "CREATE_COMPLETE"


def test_a_change_set_that_would_remove_a_table_is_refused(stack: CloudFormationStack, artifacts: Artifacts) -> None:
    queue = {"Queue": {"Type": "AWS::SQS::Queue"}}
    stack.deploy(artifacts.add_template(json.dumps({"Resources": table()["Resources"] | queue})), {})

    with pytest.raises(DeploymentError, match=r"would be removed.*--allow-replacement Table"):
        stack.deploy(artifacts.add_template(json.dumps({"Resources": queue})), {}, review=changes.review(()))


def test_a_protected_stack_is_not_deleted(
    stack: CloudFormationStack, artifacts: Artifacts, aws: Callable[[str], Any]
) -> None:
    stack.deploy(artifacts.add_template(json.dumps(table())), {})
    stack.protect()

    with pytest.raises(aws("cloudformation").exceptions.ClientError, match="TerminationProtection"):
        aws("cloudformation").delete_stack(StackName=NAME)


def test_an_existing_table_becomes_a_stacks_and_gets_what_it_lacks(
    stack: CloudFormationStack, artifacts: Artifacts, aws: Callable[[str], Any]
) -> None:
    properties = table("by-a")["Resources"]["Table"]["Properties"]
    aws("dynamodb").create_table(TableName="restored", **properties)
    key = {"pk": {"S": "kept"}}
    aws("dynamodb").put_item(TableName="restored", Item=key)
    adopted = Adopted(Existing("Table", "AWS::DynamoDB::Table", {"TableName": "restored"}), properties)
    stack.adopt(artifacts.add_template(import_template([adopted])), [adopted.existing])
    recoverable = {"PointInTimeRecoveryEnabled": True}
    following = table("by-a", PointInTimeRecoverySpecification=recoverable)
    stack.deploy(artifacts.add_template(json.dumps(following)), {}, review=changes.review(()))

    assert stack.resource("Table") == "restored"
    assert aws("dynamodb").get_item(TableName="restored", Key=key)["Item"] == key, "with what it has"
    backups = aws("dynamodb").describe_continuous_backups(TableName="restored")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
