"""What a change set would replace or remove of what cannot be made again."""

from collections.abc import Collection, Sequence
from typing import Any

from infra.cloudformation import Change, DeploymentError, Review

# What is lost with the old resource, by type. Other types are made again as they were.
LOST = {
    "AWS::DynamoDB::Table": "the application would go on without its records",
    "AWS::S3::Bucket": "the application would go on without its objects",
    "AWS::SQS::Queue": "messages that wait in it, and the events of buckets that send to it, would be lost",
    "AWS::OpenSearchService::Domain": "searches would find nothing until 'infra.admin reindex' has ended",
    "AWS::OpenSearchServerless::Collection": "searches would find nothing until 'infra.admin reindex' has ended",
    "AWS::Cognito::UserPool": "nobody could sign in as the user who they are",
    "AWS::KMS::Key": "the access keys of S3-compatible storage could not be decrypted",
    "AWS::ApiGateway::RestApi": "the API would have another URL, unless it has a DomainName",
}
# CloudFormation's words for what becomes of the old resource; 'Retain' and the like keep it.
KEPT = "Retain"


def review(allowed: Collection[str]) -> Review:
    """A review that refuses the loss of what ``LOST`` names, but for the resources that are named."""

    def refuse_losses(changes: Sequence[Change]) -> None:
        losses = [change for change in changes if _is_loss(change) and change["LogicalResourceId"] not in allowed]
        if losses:
            sentences = " ".join(_sentence(change) for change in losses)
            options = " ".join(f"--allow-replacement {change['LogicalResourceId']}" for change in losses)
            raise DeploymentError(f"{sentences} Nothing has been changed. If it is meant, deploy with {options}.")

    return refuse_losses


def _is_loss(change: Change) -> bool:
    if change["ResourceType"] not in LOST:
        return False
    return change["Action"] == "Remove" or (
        change["Action"] == "Modify" and change.get("Replacement", "False") in ("True", "Conditional")
    )


def _sentence(change: Change) -> str:
    name, kind = change["LogicalResourceId"], change["ResourceType"]
    if change["Action"] == "Remove":
        what = "would be removed"
    else:
        verb = "would" if change["Replacement"] == "True" else "may"
        what = f"{verb} be replaced by an empty one{_causes(change)}"
    kept = " The old one stays behind, without the stack." if KEPT in change.get("PolicyAction", "") else ""
    return f"{name} ({kind} {change.get('PhysicalResourceId', '')}) {what}: {LOST[kind]}.{kept}"


def _causes(change: Change) -> str:
    names = {_property(detail) for detail in change.get("Details", ()) if _recreates(detail)}
    return f", because {' and '.join(sorted(names))} changes" if names else ""


def _property(detail: Any) -> str:
    target = detail.get("Target", {})
    return str(target.get("Name") or target.get("Attribute", ""))


def _recreates(detail: Any) -> bool:
    return str(detail.get("Target", {}).get("RequiresRecreation", "Never")) != "Never"
