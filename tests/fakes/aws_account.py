"""An AWS account in memory, as far as a deployment looks at it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import EndpointConnectionError

from tests.fakes.cloudformation import FakeCloudFormation
from tests.fakes.modelled import ModelledClient, refusal
from tests.fakes.registry_of_images import ACCOUNT, FakeImages

REGION = "eu-central-1"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/0a1b2c"
ZONE = "Z0123456789ABC"
REGIONS = ("eu-central-1", "eu-west-1", "us-east-1")


@dataclass
class FakeAccount:
    """A session of boto3 whose clients are fakes; ``region_name`` and the fakes may be set by a test."""

    region_name: str = REGION
    cloudformation: FakeCloudFormation = field(default_factory=FakeCloudFormation)
    images: FakeImages = field(default_factory=FakeImages)
    certificates: dict[str, dict[str, Any]] = field(default_factory=dict)
    zones: dict[str, str] = field(default_factory=dict)
    pools: dict[str, list[str]] = field(default_factory=dict)  # by what their users sign in
    keys: dict[str, str] = field(default_factory=dict)  # of KMS, by their states
    alarms: dict[str, str] = field(default_factory=dict)  # their states
    storage: "FakeStorage" = field(default_factory=lambda: FakeStorage())
    refused: bool = False
    asked_elsewhere: list[tuple[str, str]] = field(default_factory=list)  # services of another region than its own

    def client(self, service: str, *, region_name: str | None = None) -> Any:
        if region_name not in (None, self.region_name):
            self.asked_elsewhere.append((service, str(region_name)))
        if service == "cloudformation":
            return self.cloudformation.client
        if service == "ecr":
            return self.images.client
        if service in ("dynamodb", "s3"):
            return ModelledClient(service, self.storage)
        return ModelledClient(service, self)

    def get_available_regions(self, _: str) -> list[str]:
        return list(REGIONS)

    def get_caller_identity(self) -> dict[str, Any]:
        if self.region_name not in REGIONS:
            raise EndpointConnectionError(endpoint_url=f"https://sts.{self.region_name}.amazonaws.com/")
        if self.refused:
            raise refusal("InvalidClientTokenId", "The security token included in the request is invalid.")
        return {"Account": ACCOUNT}

    def describe_certificate(self, CertificateArn: str) -> dict[str, Any]:  # noqa: N803
        if CertificateArn not in self.certificates:
            raise refusal("ResourceNotFoundException")
        return {"Certificate": self.certificates[CertificateArn]}

    def get_hosted_zone(self, Id: str) -> dict[str, Any]:  # noqa: N803
        if Id not in self.zones:
            raise refusal("NoSuchHostedZone")
        return {"HostedZone": {"Id": Id, "Name": self.zones[Id], "CallerReference": "test"}}

    def describe_user_pool(self, UserPoolId: str) -> dict[str, Any]:  # noqa: N803
        if UserPoolId not in self.pools:
            raise refusal("ResourceNotFoundException")
        return {"UserPool": {"Id": UserPoolId, "UsernameAttributes": self.pools[UserPoolId]}}

    def describe_key(self, KeyId: str) -> dict[str, Any]:  # noqa: N803
        if KeyId not in self.keys:
            raise refusal("NotFoundException")
        return {"KeyMetadata": {"KeyId": KeyId, "KeyState": self.keys[KeyId]}}

    def describe_alarms(self, AlarmNames: list[str]) -> dict[str, Any]:  # noqa: N803
        found = [name for name in AlarmNames if name in self.alarms]
        alarms = [{"AlarmName": name, "AlarmArn": alarm_arn(name), "StateValue": self.alarms[name]} for name in found]
        return {"MetricAlarms": alarms}


@dataclass
class FakeStorage:
    """Tables by name, as DescribeTable describes them, and buckets by name, with their regions; None is another's."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    expiring: dict[str, str] = field(default_factory=dict)  # the attribute
    recoverable: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # the earliest and latest moment
    buckets: dict[str, str | None] = field(default_factory=dict)
    descriptions: list[str] = field(default_factory=list)  # of the tables that were described
    becoming_active: int = 0  # descriptions until indexes are ready
    restored: list[dict[str, Any]] = field(default_factory=list)

    def add_table(self, name: str, properties: dict[str, Any]) -> None:
        """A table as a template describes it, made by use."""
        schema = {key: properties[key] for key in ("KeySchema", "AttributeDefinitions")}
        indexes = [{**index, "IndexStatus": "ACTIVE"} for index in properties.get("GlobalSecondaryIndexes", ())]
        self.tables[name] = {
            "TableName": name,
            "TableStatus": "ACTIVE",
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            **schema,
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        }

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        self.descriptions.append(TableName)
        if TableName not in self.tables:
            raise refusal("ResourceNotFoundException")
        table = self.tables[TableName]
        if self.becoming_active:
            self.becoming_active -= 1
            indexes = [{**index, "IndexStatus": "CREATING"} for index in table.get("GlobalSecondaryIndexes", ())]
            return {"Table": {**table, "GlobalSecondaryIndexes": indexes}}
        return {"Table": table}

    def describe_time_to_live(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        if TableName in self.expiring:
            enabled = {"TimeToLiveStatus": "ENABLED", "AttributeName": self.expiring[TableName]}
            return {"TimeToLiveDescription": enabled}
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}

    def describe_continuous_backups(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        recovery: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
        if TableName in self.recoverable:
            earliest, latest = self.recoverable[TableName]
            recovery = {
                "PointInTimeRecoveryStatus": "ENABLED",
                "EarliestRestorableDateTime": earliest,
                "LatestRestorableDateTime": latest,
            }
        description = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
        return {"ContinuousBackupsDescription": description}

    def restore_table_to_point_in_time(self, **arguments: Any) -> dict[str, Any]:
        self.restored.append(arguments)
        source, target = arguments["SourceTableName"], arguments["TargetTableName"]
        self.tables[target] = {**self.tables[source], "TableName": target}
        return {}

    def head_bucket(self, Bucket: str) -> dict[str, Any]:  # noqa: N803
        if Bucket not in self.buckets:
            raise refusal("404")
        region = self.buckets[Bucket]
        if region is None:
            raise refusal("403")
        return {"BucketRegion": region}


def alarm_arn(name: str) -> str:
    return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"


def issued(name: str, *others: str, status: str = "ISSUED") -> dict[str, Any]:
    """A certificate of Certificate Manager."""
    names = [name, *others]
    return {"DomainName": name, "Status": status, "SubjectAlternativeNames": names, "CreatedAt": datetime.now(UTC)}
