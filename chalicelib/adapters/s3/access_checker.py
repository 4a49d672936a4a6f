"""The check of a customer's bucket: its role, its region, and whether it can be listed and read."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.s3.bucket_source import BucketSource
from chalicelib.adapters.s3.object_trials import ObjectTrials
from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.domain.bucket_access import (
    AccessFindings,
    AccessProblem,
    external_id_not_required,
    folder_problem,
    folder_too_long,
)
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import SourceUnavailable
from chalicelib.services.ports import BucketAccessChecker

_OTHER_REGION_CODES = (
    "301", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
)  # fmt: skip
_REGION_HEADER = "x-amz-bucket-region"


@dataclass(frozen=True, slots=True)
class S3AccessChecker:
    """``servers`` checks the buckets that are not on AWS, and is made when the first one is checked."""

    sources: S3Sources
    servers: Callable[[], BucketAccessChecker] | None = None

    def check(self, collection: Collection) -> AccessFindings:
        if collection.server is not None:
            assert self.servers is not None
            return self.servers().check(collection)
        if collection.role_arn is not None and (problem := folder_problem(collection)) is not None:
            return AccessFindings([problem])
        with ExitStack() as until_checked:
            try:
                source = until_checked.enter_context(self.sources.once(collection))
            except SourceUnavailable as error:
                return AccessFindings([_role_problem(collection, error)])
            # Only once the role is known to work: each trial is one more call.
            if collection.role_arn is not None and not self.sources.demands_external_id(collection):
                return AccessFindings([external_id_not_required(collection.role_arn)])
            try:
                return _bucket_findings(source, collection)
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
        "service with the external id, which differs for each folder. If you have just created the role, try again in "
        "half a minute.",
        "role_arn",
    )


def _bucket_findings(source: BucketSource, collection: Collection) -> AccessFindings:
    region: str | None
    try:
        region = source.client.head_bucket(Bucket=source.bucket).get("BucketRegion")
    except ClientError as error:
        code, headers = error.response["Error"]["Code"], error.response["ResponseMetadata"].get("HTTPHeaders", {})
        region = headers.get(_REGION_HEADER)
        if code in ("404", "NoSuchBucket"):
            return _problem("no_such_bucket", f"There is no bucket {source.bucket}.", "bucket")
        if code not in (*_OTHER_REGION_CODES, "400", "403", "AccessDenied"):
            raise SourceUnavailable(f"S3 could not check the bucket {source.bucket}.") from error
    if region is not None and region != collection.region:
        return _problem(
            "wrong_region", f"The bucket {source.bucket} is in {region}, not {collection.region}.", "region"
        )
    return ObjectTrials(source, collection).findings()


def _problem(code: str, message: str, field: str) -> AccessFindings:
    return AccessFindings([AccessProblem(code, message, field)])
