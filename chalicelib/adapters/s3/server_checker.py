"""The check of a bucket on an S3-compatible server: whether it can be read, and how its server differs from S3.

It only reads. What it measures is the order of a listing, where a listing goes on, and what ETags mean; each is checked
again, or not relied on, when the bucket is synced. Whether a server heeds conditions of a read is not asked: whoever
reads an object in two parts compares their ETags.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, HTTPClientError

from chalicelib.adapters.s3.object_trials import ObjectTrials, spread
from chalicelib.adapters.s3.server_errors import NOT_FOUND_CODES, SERVER_ERRORS, code_of, outage, refusal
from chalicelib.adapters.s3.server_sources import PAGE_KEYS, ServerSource, ServerSources, plain_etag
from chalicelib.domain.bucket_access import AccessFindings, AccessProblem, AccessWarning
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import SourceUnavailable
from chalicelib.domain.storage_servers import ETagMeaning

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import ObjectTypeDef

SAMPLES = 4  # objects whose listing is compared with their HEAD
_TIME_AND_SIZE = (
    "The ETags of the server are not the same in its listings and for its objects. So changes are found by size and "
    "time of storage: one within two seconds that keeps the size is not."
)
_SIZE_ALONE = (
    "The ETags of the server are not the same in its listings and for its objects, and it does not say of all of them "
    "when they were stored. So a change that keeps the size of an object is never found."
)
_LOST_NAMES = (
    "The server lists objects that it does not find by the names that it lists. They are listed as failed, or missing."
)


@dataclass(frozen=True, slots=True)
class ServerAccessChecker:
    sources: ServerSources

    def check(self, collection: Collection) -> AccessFindings:
        """As ``services.ports.BucketAccessChecker``."""
        try:
            with self.sources.once(collection) as source:
                return _findings(source, collection)
        except SourceUnavailable as error:
            cause = error.__cause__
            if not isinstance(cause, SERVER_ERRORS):
                raise
            return _refused(cause, collection)
        except SERVER_ERRORS as error:
            return _refused(error, collection)


def _refused(error: Exception, collection: Collection) -> AccessFindings:
    problem = refusal(error, collection)
    if problem is None and isinstance(error, HTTPClientError):  # who connects may have mistyped the name
        problem = AccessProblem("endpoint_unreachable", outage(error, collection), "endpoint")
    if problem is None and not isinstance(error, ClientError):
        problem = AccessProblem("not_s3", outage(error, collection), "endpoint")
    if problem is None:
        raise SourceUnavailable(outage(error, collection)) from error
    return AccessFindings([problem])


def _findings(source: ServerSource, collection: Collection) -> AccessFindings:
    page = source.client.list_objects_v2(Bucket=source.bucket, Prefix=source.prefix, MaxKeys=PAGE_KEYS)
    listed = page.get("Contents", [])
    if (problem := _listing_problem(source, collection, [entry["Key"] for entry in listed])) is not None:
        return AccessFindings([problem])
    findings = ObjectTrials(source, collection).findings()
    if findings.problems:
        return findings
    etags, warnings = _measure(source, [entry for entry in listed if entry["Size"] and collection.holds(entry["Key"])])
    return replace(findings, warnings=[*findings.warnings, *warnings], etags=etags)


def _listing_problem(source: ServerSource, collection: Collection, keys: Sequence[str]) -> AccessProblem | None:
    """Why no sync could rely on the server's listings."""
    assert collection.server is not None
    host = collection.server.host
    if not all(key.startswith(source.prefix) for key in keys):
        return AccessProblem("not_s3", f"The server {host} lists objects outside the folder.", "endpoint")
    if any(later <= earlier for earlier, later in pairwise(keys)):
        return AccessProblem(
            "listing_unsorted",
            f"The server {host} does not list objects in the order of their keys' UTF-8 bytes, as S3 does. A sync "
            "compares by that order, so the bucket cannot be connected.",
            "endpoint",
        )
    if len(keys) > 1:
        further = source.client.list_objects_v2(
            Bucket=source.bucket, Prefix=source.prefix, MaxKeys=1, StartAfter=keys[0]
        ).get("Contents", [])
        if len(further) > 1 or any(entry["Key"] <= keys[0] for entry in further):
            return AccessProblem(
                "listing_restarts",
                f"The server {host} does not go on with a listing where it is asked to (StartAfter, MaxKeys), so a "
                "large bucket could not be synced.",
                "endpoint",
            )
    return None


def _measure(source: ServerSource, listed: "Sequence[ObjectTypeDef]") -> tuple[ETagMeaning | None, list[AccessWarning]]:
    """What the ETags of some objects mean; None if there are no objects."""
    # Awkward names first: a server that writes one of them otherwise than it lists it shows it there.
    awkward = [entry for entry in listed if not entry["Key"].replace("/", "").isalnum()]
    chosen = {entry["Key"]: entry for entry in (*spread(awkward, SAMPLES), *spread(listed, SAMPLES))}
    agree, timed, compared, lost = True, True, False, []
    for key, entry in chosen.items():
        try:
            head = source.client.head_object(Bucket=source.bucket, Key=key)
        except ClientError as error:
            if code_of(error) in NOT_FOUND_CODES:
                lost.append(key)
            continue  # what may not be read the trials have found
        compared = True
        etag = plain_etag(head.get("ETag"))
        agree = agree and bool(etag) and etag == plain_etag(entry.get("ETag"))
        timed = timed and "LastModified" in entry and "LastModified" in head
    warnings = [AccessWarning("names_differ", _LOST_NAMES, tuple(lost))] if lost else []
    if not compared:
        return None, warnings
    if not agree:
        differing = ("etags_differ", _TIME_AND_SIZE) if timed else ("changes_missed", _SIZE_ALONE)
        return ETagMeaning.NONE, [*warnings, AccessWarning(*differing)]
    return ETagMeaning.OPAQUE, warnings
