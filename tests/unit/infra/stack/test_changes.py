"""Change sets that would lose data are refused; all others pass."""

from typing import Any

import pytest

from infra.cloudformation import DeploymentError
from infra.stack.changes import LOST, review


def change(
    name: str, kind: str, action: str = "Modify", replacement: str = "False", policy: str = "", property_: str = ""
) -> dict[str, Any]:
    details = [{"Target": {"Attribute": "Properties", "Name": property_, "RequiresRecreation": "Always"}}]
    return {
        "Action": action,
        "LogicalResourceId": name,
        "PhysicalResourceId": f"similarix-{name}",
        "ResourceType": kind,
        **({"Replacement": replacement} if action == "Modify" else {}),
        **({"PolicyAction": policy} if policy else {}),
        "Details": details if property_ else [],
    }


@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize(("action", "replacement"), [("Modify", "True"), ("Modify", "Conditional"), ("Remove", "")])
def test_what_is_replaced_or_removed_is_named_with_what_would_be_lost_and_the_option_that_allows_it(
    kind, action, replacement
):
    with pytest.raises(DeploymentError) as refused:
        review(())([change("Thing", kind, action, replacement)])

    assert f"Thing ({kind} similarix-Thing)" in str(refused.value)
    assert LOST[kind] in str(refused.value)
    assert "Nothing has been changed" in str(refused.value)
    assert "--allow-replacement Thing" in str(refused.value)


@pytest.mark.parametrize("kind", LOST)
def test_what_is_made_or_changed_in_place_passes(kind):
    review(())([change("Thing", kind, "Add"), change("Other", kind, "Modify", "False"), change("More", kind, "Import")])


def test_what_can_be_made_again_may_be_replaced_and_removed():
    review(())([change("Version", "AWS::Lambda::Version", "Modify", "True"), change("R", "AWS::IAM::Role", "Remove")])


def test_only_the_named_resource_may_be_replaced():
    changes = [change(name, "AWS::SQS::Queue", "Modify", "True") for name in ("SyncQueue", "IndexQueue")]
    review(("SyncQueue", "IndexQueue"))(changes)

    with pytest.raises(DeploymentError) as refused:
        review(("SyncQueue",))(changes)
    assert "SyncQueue" not in str(refused.value)
    assert "IndexQueue" in str(refused.value)


def test_the_sentence_names_the_property_that_changes_and_says_if_the_old_one_stays_behind():
    replaced = change("AccountsTable", "AWS::DynamoDB::Table", "Modify", "True", "ReplaceAndRetain", "KeySchema")

    with pytest.raises(DeploymentError, match=r"because KeySchema changes: .* The old one stays behind"):
        review(())([replaced])
