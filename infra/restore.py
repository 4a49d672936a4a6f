"""Restore the tables of a stack to a point in time, as new tables beside the old ones, which stay as they are.

python -m infra.restore --stack similarix --region eu-central-1 --to 2026-11-26T09:30:00Z [--undelete]

prints the options by which ``infra.deploy`` makes a new stack on them.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.collections import MANAGED_PREFIX
from infra.cloudformation import CloudFormationStack, DeploymentError, Report
from infra.stack.adoption import TABLE, adoptable
from infra.template import read_template

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient
    from types_boto3_s3.client import S3Client

PAUSE_SECONDS = 15.0  # a restore takes twenty minutes and more, whatever the table's size
# The buckets whose deletions are taken back, and what is below the prefix: not what was staged for uploads.
UNDELETED = {"ManagedBucket": f"{MANAGED_PREFIX}/", "ThumbnailsBucket": ""}
MARKERS_A_CALL = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html


@dataclass(frozen=True)
class Restoration:
    """Restores tables to one moment."""

    dynamodb: "DynamoDBClient"
    to: datetime
    report: Report = print
    pause_seconds: float = PAUSE_SECONDS

    def restore(self, tables: Mapping[str, str], stack: str) -> dict[str, str]:
        """Restore each table, and return once all are ready; returns the new tables.

        Args:
            tables: by their names in the template.

        Raises:
            DeploymentError: a table has no backup of that moment, or a table of the new name exists; nothing was made.
        """
        targets = {name: f"{stack}-{name}-{self.to.astimezone(UTC):%Y%m%dT%H%M%SZ}" for name in tables}
        for name, table in tables.items():
            self._check(table, targets[name])
        for name, table in tables.items():
            self.report(f"{table} is restored as {targets[name]}")
            self.dynamodb.restore_table_to_point_in_time(
                SourceTableName=table, TargetTableName=targets[name], RestoreDateTime=self.to
            )
        for target in targets.values():
            while self._status(target) != "ACTIVE":
                time.sleep(self.pause_seconds)
        return targets

    def _check(self, table: str, target: str) -> None:
        status = self._status(table)
        if status is None:
            raise DeploymentError(f"There is no table {table} in this region and account.")
        backups = self.dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        recovery = backups.get("PointInTimeRecoveryDescription", {})
        if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
            raise DeploymentError(f"The table {table} has no continuous backups, so it cannot be restored.")
        earliest, latest = recovery.get("EarliestRestorableDateTime"), recovery.get("LatestRestorableDateTime")
        if (earliest and self.to < earliest) or (latest and self.to > latest):
            raise DeploymentError(f"The table {table} can be restored to a moment between {earliest} and {latest}.")
        if self._status(target) is not None:
            raise DeploymentError(f"The table {target} exists already. Adopt it, or restore to another second.")

    def _status(self, table: str) -> str | None:
        try:
            return self.dynamodb.describe_table(TableName=table)["Table"]["TableStatus"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise


def undelete(s3: "S3Client", bucket: str, since: datetime, prefix: str = "") -> int:
    """Take back the deletions of objects since a moment; returns their number.

    A bucket with versions deletes by a marker, and shows the object again once that is gone. Other versions stay as
    they are: a file that was replaced since then keeps its new content.
    """
    found: list[Any] = []
    number = 0
    for marker in _markers(s3, bucket, since, prefix):
        found.append({"Key": marker["Key"], "VersionId": marker["VersionId"]})
        if len(found) == MARKERS_A_CALL:
            number += _remove(s3, bucket, found)
            found = []
    return number + _remove(s3, bucket, found)


def _markers(s3: "S3Client", bucket: str, since: datetime, prefix: str) -> Iterator[Any]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        yield from (
            marker for marker in page.get("DeleteMarkers", ()) if marker["IsLatest"] and marker["LastModified"] >= since
        )


def _remove(s3: "S3Client", bucket: str, markers: list[Any]) -> int:
    if markers:
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": markers, "Quiet": True})
        for error in answer.get("Errors", ()):
            raise DeploymentError(f"{error.get('Key')} of {bucket} stays deleted: {error.get('Message')}")
    return len(markers)


def storage(stack: CloudFormationStack) -> dict[str, str]:
    """The tables and buckets of a stack, and its user pool, which outlive it, by their names in the template.

    Raises:
        DeploymentError: there is no such stack.
    """
    if stack.status() is None:
        raise DeploymentError(
            f"There is no stack {stack.name}. Name what it has left with --storage NAME=TABLE_OR_BUCKET."
        )
    found = {name: stack.resource(name) for name in adoptable(read_template())}
    return {name: physical for name, physical in found.items() if physical}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.restore", description="Restore the tables of a stack.")
    parser.add_argument("--stack", required=True, help="the stack, whose name the new tables' names begin with")
    parser.add_argument("--region", required=True, help="the AWS region")
    parser.add_argument(
        "--to", required=True, type=_moment, metavar="TIME", help="the moment, as in 2026-11-26T09:30:00Z"
    )
    parser.add_argument(
        "--undelete", action="store_true", help="also take back the deletions of files and thumbnails since then"
    )
    parser.add_argument(
        "--storage",
        action="append",
        default=[],
        metavar="NAME=TABLE_OR_BUCKET",
        help="a table, bucket or user pool of a stack that was deleted, by its name in the template",
    )
    options = parser.parse_args(arguments)
    kinds = adoptable(read_template())
    named = dict(each.split("=", 1) for each in options.storage if "=" in each)
    if len(named) < len(options.storage) or set(named) - set(kinds):
        parser.error(f"--storage takes NAME=TABLE_OR_BUCKET, where NAME is one of {', '.join(kinds)}")
    session = boto3.Session(region_name=options.region)
    try:
        found = named or storage(CloudFormationStack(session.client("cloudformation"), options.stack))
        tables = {name: physical for name, physical in found.items() if kinds[name] == TABLE}
        restored = Restoration(session.client("dynamodb"), options.to).restore(tables, options.stack)
        for name in UNDELETED if options.undelete else ():
            number = undelete(session.client("s3"), found[name], options.to, UNDELETED[name]) if name in found else 0
            print(f"{number} deleted objects of {name} are back")
    except (BotoCoreError, ClientError, DeploymentError) as error:
        print(error, file=sys.stderr)
        return 1
    print("Make a new stack on them with infra.deploy and these options:")
    print(" ".join(f"--adopt {name}={physical}" for name, physical in (found | restored).items()))
    return 0


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment has a time zone")
    return moment


if __name__ == "__main__":
    sys.exit(main())
