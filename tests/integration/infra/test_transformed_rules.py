"""Rules of the template as CloudFormation sees it, after SAM's own translator."""

import json
from typing import Any

import cfnlint
import pytest

from infra.package import STAGE
from tests.integration.infra.conftest import as_list, of_type, translate

# Statements on every resource: AWS requires it of these actions. None so far.
ON_EVERYTHING: frozenset[str] = frozenset()
# A lint that the translator causes: it writes the parameter's default where the parameter was.
CAUSED_BY_TRANSLATION = "Parameter EmbedderImageUri not used"


@pytest.fixture(scope="module")
def translated(template) -> dict[str, Any]:
    return translate(template)


@pytest.fixture(scope="module")
def transformed(translated) -> dict[str, Any]:
    """The resources."""
    found: dict[str, Any] = translated["Resources"]
    return found


def policies(transformed: dict[str, Any]) -> list[dict[str, Any]]:
    """Every statement of every role and policy that is attached to one."""
    documents = [
        policy["PolicyDocument"]
        for role in of_type(transformed, "AWS::IAM::Role").values()
        for policy in role["Policies"]
    ]
    documents += [policy["PolicyDocument"] for policy in of_type(transformed, "AWS::IAM::Policy").values()]
    return [statement for document in documents for statement in document["Statement"]]


def test_cfn_lint_finds_nothing(translated):
    findings = [str(finding) for finding in cfnlint.lint(json.dumps(translated))]

    assert [finding for finding in findings if CAUSED_BY_TRANSLATION not in finding] == []


def test_sam_adds_no_role_and_no_managed_policy(transformed, functions):
    roles = of_type(transformed, "AWS::IAM::Role")

    assert set(roles) == {f"{name}Role" for name in functions}
    assert not any("ManagedPolicyArns" in role for role in roles.values())


def test_no_statement_allows_everything_or_on_everything(transformed):
    for statement in policies(transformed):
        actions = set(as_list(statement["Action"]))
        assert not any(action == "*" or action.endswith(":*") for action in actions), actions
        if "*" in as_list(statement["Resource"]):
            assert actions <= ON_EVERYTHING
        assert "NotAction" not in statement
        assert "NotResource" not in statement


def test_the_api_has_our_stage_and_no_other(transformed):
    (stage,) = of_type(transformed, "AWS::ApiGateway::Stage").values()
    deployments = of_type(transformed, "AWS::ApiGateway::Deployment").values()

    assert stage["StageName"] == STAGE
    assert {deployment.get("StageName", STAGE) for deployment in deployments} == {STAGE}


def test_every_permission_to_be_invoked_names_who_invokes(transformed):
    for name, permission in of_type(transformed, "AWS::Lambda::Permission").items():
        assert "SourceArn" in permission or "SourceAccount" in permission, name


def test_every_alarm_of_the_packaged_template_is_there(transformed, template):
    alarms = set(of_type(template["Resources"], "AWS::CloudWatch::Alarm"))

    assert set(of_type(transformed, "AWS::CloudWatch::Alarm")) == alarms


def test_the_template_stays_within_cloudformations_limits(translated):
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert len(translated["Resources"]) <= 500
    assert len(translated["Parameters"]) <= 200
    assert len(translated["Outputs"]) <= 200
    assert len(json.dumps(translated)) <= 1_000_000
