"""Policies by which buckets and queues refuse what does not come over TLS."""

from collections.abc import Mapping
from typing import Any

from infra.template.edits import ONLY_TLS, Template

# As AWS words it: https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html and
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-security-best-practices.html
_WITHOUT_TLS = {"Bool": {"aws:SecureTransport": "false"}}


def with_only_tls(template: Template) -> Template:
    """The template in which each bucket and queue refuses a request without TLS.

    A queue has one policy at most, so a policy that is there gets the statement added.
    """
    resources = template["Resources"]
    policies = {
        queue["Ref"]: name
        for name, resource in resources.items()
        if resource.get("Type") == "AWS::SQS::QueuePolicy"
        for queue in resource["Properties"]["Queues"]
    }
    changed: dict[str, Any] = dict(resources)
    for name, resource in resources.items():
        if resource.get("Type") == "AWS::S3::Bucket":
            changed[f"{name}Policy"] = {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": {"Ref": name}, "PolicyDocument": _document(_refusal("s3:*", *_content(name)))},
            }
        elif resource.get("Type") == "AWS::SQS::Queue":
            refusal = _refusal("sqs:*", {"Fn::GetAtt": [name, "Arn"]})
            if name in policies:
                changed[policies[name]] = _with_statement(changed[policies[name]], refusal)
            else:
                changed[f"{name}Policy"] = {
                    "Type": "AWS::SQS::QueuePolicy",
                    "Properties": {"Queues": [{"Ref": name}], "PolicyDocument": _document(refusal)},
                }
    return template | {"Resources": changed}


def _content(bucket: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return {"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}


def _refusal(actions: str, *resources: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "Sid": ONLY_TLS,
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": list(resources),
        "Condition": _WITHOUT_TLS,
    }


def _document(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def _with_statement(policy: Mapping[str, Any], statement: Mapping[str, Any]) -> dict[str, Any]:
    properties = policy["Properties"]
    document = properties["PolicyDocument"]
    statements = [*document["Statement"], statement]
    return {**policy, "Properties": {**properties, "PolicyDocument": {**document, "Statement": statements}}}
