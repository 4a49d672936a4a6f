"""What exists already and becomes a new stack's: restored tables, and what a stack that was deleted has left.

CloudFormation imports them, so that they are the stack's own from then on, as if it had made them:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-new-stack.html. It compares what the
next deployment says with the template of the import, and not with the resource. So that template says what the
resources are, and the next deployment sets what they lack: a restored table has no expiry and no backups. It does not
say their names, because the template that follows gives none, and another name would replace them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.cloudformation import DeploymentError, Existing
from infra.template.edits import Template

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient
    from types_boto3_s3.client import S3Client

TABLE, BUCKET, POOL = "AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::Cognito::UserPool"
KEY = "AWS::KMS::Key"
LATER = (POOL, KEY)  # a stack from before users, or before S3-compatible storage, has none
KEPT = "RetainExceptOnCreate"  # the deletion policy of what outlives a stack
# Of a user pool, what no update changes, so that the import must say it.
FIXED = ("Schema", "UsernameAttributes", "UsernameConfiguration")
ENABLED = ("ENABLED", "ENABLING")


@dataclass(frozen=True, slots=True)
class Adopted:
    """A table, bucket, key or user pool to import, with the properties that it has."""

    existing: Existing
    properties: Mapping[str, Any]


def adoptable(template: Template) -> dict[str, str]:
    """What outlives a stack: the type of each resource by its name in the template."""
    return {
        name: resource["Type"]
        for name, resource in template["Resources"].items()
        if resource.get("Type") in (TABLE, BUCKET, POOL, KEY) and resource.get("DeletionPolicy") == KEPT
    }


def examine(client: Callable[[str], Any], template: Template, names: Mapping[str, str], region: str) -> list[Adopted]:
    """What is to be adopted, as it is.

    Args:
        client: makes the client of a service, as that of a session does.
        names: the table or bucket for each resource of the template that outlives a stack, and perhaps the user pool
            and the key: an older stack has none.

    Raises:
        DeploymentError: one is missing, is not what the template has under this name, or belongs elsewhere.
    """
    kinds = adoptable(template)
    if wrong := set(names) - set(kinds):
        raise DeploymentError(f"{min(wrong)} cannot be adopted. What can: {', '.join(kinds)}.")
    if missing := [name for name, kind in kinds.items() if name not in names and kind not in LATER]:
        options = " ".join(f"--adopt {name}=…" for name in missing)
        raise DeploymentError(f"These tables and buckets belong together. Name the others as well: {options}")
    found = []
    for name, physical in names.items():
        kind, wanted = kinds[name], template["Resources"][name]["Properties"]
        if kind == TABLE:
            properties = _table(client("dynamodb"), name, physical, wanted)
            found.append(Adopted(Existing(name, kind, {"TableName": physical}), properties))
        elif kind == KEY:
            found.append(
                Adopted(
                    Existing(name, kind, {"KeyId": _key(client("kms"), physical)}), {"KeyPolicy": wanted["KeyPolicy"]}
                )
            )
        elif kind == POOL:
            properties = _pool(client("cognito-idp"), physical, wanted)
            found.append(Adopted(Existing(name, kind, {"UserPoolId": physical}), properties))
        else:
            _check_bucket(client("s3"), name, physical, region)
            found.append(Adopted(Existing(name, kind, {"BucketName": physical}), {}))
    return found


def import_template(adopted: Sequence[Adopted]) -> str:
    """The template of the import, which has the adopted resources alone."""
    resources = {
        each.existing.name: {
            "Type": each.existing.kind,
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "Properties": dict(each.properties),
        }
        for each in adopted
    }
    return json.dumps({"Description": "Similarix: adopted storage", "Resources": resources})


def _table(dynamodb: "DynamoDBClient", name: str, table: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a table that say what it is."""
    try:
        description: Mapping[str, Any] = dynamodb.describe_table(TableName=table)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            raise DeploymentError(f"There is no table {table} for {name} in this region and account.") from error
        raise
    if description["TableStatus"] != "ACTIVE":
        raise DeploymentError(f"The table {table} is {description['TableStatus']}. Deploy once it is ACTIVE.")
    if description["KeySchema"] != wanted["KeySchema"]:
        keys = " and ".join(key["AttributeName"] for key in description["KeySchema"])
        raise DeploymentError(f"The table {table} has the keys {keys}, so it is no {name}. Name the one that is.")
    properties = {
        "BillingMode": description.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        "KeySchema": description["KeySchema"],
        "AttributeDefinitions": description["AttributeDefinitions"],
        "DeletionProtectionEnabled": description.get("DeletionProtectionEnabled", False),
        "SSESpecification": {"SSEEnabled": description.get("SSEDescription", {}).get("Status") in ENABLED},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": _has_recovery(dynamodb, table)},
    }
    if properties["BillingMode"] == "PROVISIONED":
        capacity = description["ProvisionedThroughput"]
        properties["ProvisionedThroughput"] = {
            unit: capacity[unit] for unit in ("ReadCapacityUnits", "WriteCapacityUnits")
        }
    if indexes := description.get("GlobalSecondaryIndexes"):
        properties["GlobalSecondaryIndexes"] = [
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")} for index in indexes
        ]
    expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if expiry.get("TimeToLiveStatus") in ENABLED:
        # To enable it twice is an error.
        properties["TimeToLiveSpecification"] = {"AttributeName": expiry["AttributeName"], "Enabled": True}
    return properties


def _has_recovery(dynamodb: "DynamoDBClient", table: str) -> bool:
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    status = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    return status in ENABLED


def _pool(cognito: Any, pool: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What says which users a pool has."""
    try:
        description = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ResourceNotFoundException", "InvalidParameterException"):
            raise DeploymentError(f"There is no user pool {pool} in this region and account.") from error
        raise
    if description.get("UsernameAttributes") != wanted["UsernameAttributes"]:
        raise DeploymentError(f"The users of the pool {pool} sign in by something else than an e-mail address.")
    return {name: wanted[name] for name in FIXED}


def _key(kms: Any, key: str) -> str:
    """The identifier of a key that decrypts."""
    try:
        description = kms.describe_key(KeyId=key)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NotFoundException", "InvalidArnException"):
            raise DeploymentError(f"There is no key {key} in this region and account.") from error
        raise
    if description["KeyState"] != "Enabled":
        raise DeploymentError(f"The key {key} is {description['KeyState']}. Enable it first.")
    return str(description["KeyId"])


def _check_bucket(s3: "S3Client", name: str, bucket: str, region: str) -> None:
    try:
        answer = s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("404", "403", "301"):
            why = {"404": "does not exist", "403": "is not yours", "301": "is in another region"}[code]
            raise DeploymentError(
                f"The bucket {bucket} for {name} {why}. Name one of this account and region."
            ) from error
        raise
    if (where := answer.get("BucketRegion", region)) != region:
        raise DeploymentError(f"The bucket {bucket} for {name} is in {where}, and the stack in {region}.")
