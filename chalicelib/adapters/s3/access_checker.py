"""The check of a customer's bucket: its role, its region, and whether it can be listed and read."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.s3.sources import BucketSource, S3Sources
from chalicelib.domain.bucket_access import (
    AccessProblem,
    external_id_not_required,
    folder_problem,
    folder_too_long,
)
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import SourceUnavailable

MAX_LISTED_OBJECTS = 100  # among which one is searched that can be read
_OTHER_REGION_CODES = (
    "301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
)  # fmt: skip
_REGION_HEADER = "x-amz-bucket-region"


@dataclass(frozen=True, slots=True)
class S3AccessChecker:
    sources: S3Sources

    def check(self, collection: Collection) -> list[AccessProblem]:
        if collection.role_arn is not None and (problem := folder_problem(collection)) is not None:
            return [problem]
        with ExitStack() as until_checked:
            try:
                source = until_checked.enter_context(self.sources.once(collection))
            except SourceUnavailable as error:
                return [_role_problem(collection, error)]
            # Only once the role is known to work: each trial is one more call.
            if collection.role_arn is not None and not self.sources.demands_external_id(collection):
                return [external_id_not_required(collection.role_arn)]
            try:
                return list(_bucket_problems(source, collection))
            except BotoCoreError as error:
                raise SourceUnavailable(f"S3 could not be reached for the bucket {collection.bucket}.") from error


def _role_problem(collection: Collection, error: SourceUnavailable) -> AccessProblem:
    cause = error.__cause__
    code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else None
    if code == "PackedPolicyTooLarge":  # STS counts the policy also in a form of its own, which only it can compute
        return folder_too_long()
    if code != "AccessDenied":
        raise error
    return AccessProblem(
        "role_not_assumable",
        f"The role {collection.role_arn} cannot be assumed: it does not exist, or its trust policy does not allow this "
        "service with the external id. If you have just created the role, try again in half a minute.",
        "role_arn",
    )


def _bucket_problems(source: BucketSource, collection: Collection) -> Iterator[AccessProblem]:
    region: str | None
    try:
        region = source.client.head_bucket(Bucket=source.bucket).get("BucketRegion")
    except ClientError as error:
        code, headers = error.response["Error"]["Code"], error.response["ResponseMetadata"].get("HTTPHeaders", {})
        region = headers.get(_REGION_HEADER)
        if code in ("404", "NoSuchBucket"):
            yield AccessProblem("no_such_bucket", f"There is no bucket {source.bucket}.", "bucket")
            return
        if code not in (*_OTHER_REGION_CODES, "400", "403", "AccessDenied"):
            raise SourceUnavailable(f"S3 could not check the bucket {source.bucket}.") from error
    if region is not None and region != collection.region:
        yield AccessProblem(
            "wrong_region", f"The bucket {source.bucket} is in {region}, not {collection.region}.", "region"
        )
        return
    yield from _reading_problems(source)


def _reading_problems(source: BucketSource) -> Iterator[AccessProblem]:
    owner: Any = {"ExpectedBucketOwner": source.owner} if source.owner else {}
    try:
        objects = source.client.list_objects_v2(
            Bucket=source.bucket, Prefix=source.prefix, MaxKeys=MAX_LISTED_OBJECTS, **owner
        ).get("Contents", [])
    except ClientError as error:
        yield _denied(
            error,
            "list_denied",
            f"The role may not list the bucket {source.bucket}: allow s3:ListBucket on it. The bucket must also belong "
            "to the same AWS account as the role.",
        )
        return
    key = next((listed["Key"] for listed in objects if listed["Size"] and not listed["Key"].endswith("/")), None)
    if key is None:
        return  # there is no object to read yet
    try:
        source.client.get_object(Bucket=source.bucket, Key=key, Range="bytes=0-0", **owner)["Body"].close()
    except ClientError as error:
        yield _denied(
            error,
            "get_denied",
            f"The role may not read {key}: allow s3:GetObject on {source.bucket}/{source.prefix}*. If the bucket is "
            "encrypted with a KMS key of yours, allow kms:Decrypt on the key too.",
        )


def _denied(error: ClientError, code: str, message: str) -> AccessProblem:
    if error.response["Error"]["Code"] not in ("AccessDenied", "403", "AllAccessDisabled"):
        raise SourceUnavailable("S3 could not check the bucket.") from error
    return AccessProblem(code, message, "role_arn")
