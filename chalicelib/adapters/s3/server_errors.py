"""What an S3-compatible server's errors mean, in words for the owner of the bucket.

The codes are S3's, which such servers repeat: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. Of a
server's own message nothing is shown: it may say anything.
"""

import re

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from chalicelib.adapters.s3.server_requests import AddressRefused, CertificateRefused
from chalicelib.domain.bucket_access import AccessProblem
from chalicelib.domain.collections import Collection

# What a client of a server raises: botocore's errors, and those of a parser that reads what no S3 would write.
SERVER_ERRORS = (ClientError, BotoCoreError, ValueError, KeyError, TypeError, OverflowError)
NOT_FOUND_CODES = ("404", "NoSuchKey", "NotFound")
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
# Of the server's codes: ours, the sentence, and the field at fault.
_REFUSALS: dict[str, tuple[str, str, str]] = {
    **dict.fromkeys(
        ("InvalidAccessKeyId", "InvalidAccessKey", "InvalidClientTokenId"),
        ("access_key_unknown", "The server {host} does not know the access key.", "access_key_id"),
    ),
    "SignatureDoesNotMatch": (
        "signature_refused",
        "The server {host} refuses the signature: the secret does not belong to the access key, or the server expects "
        "another region than {region}.",
        "secret_access_key",
    ),
    **dict.fromkeys(
        ("AuthorizationHeaderMalformed", "InvalidRegion", "IllegalLocationConstraintException"),
        ("wrong_region", "The server {host} expects another region than {region}.", "region"),
    ),
    **dict.fromkeys(
        ("RequestTimeTooSkewed", "RequestExpired", "AccessDeniedRequestTimeTooSkewed"),
        ("clock_differs", "The clock of the server {host} differs from ours by more than 15 minutes.", "endpoint"),
    ),
    **dict.fromkeys(
        ("NoSuchBucket", "404"),
        ("no_such_bucket", "There is no bucket {bucket} at the server {host}.", "bucket"),
    ),
    **dict.fromkeys(
        ("AccessDenied", "403", "401", "Forbidden", "Unauthorized", "AllAccessDisabled", "AccountProblem"),
        ("list_denied", "The access key may not list the bucket {bucket} at the server {host}.", "access_key_id"),
    ),
    **dict.fromkeys(
        ("PermanentRedirect", "TemporaryRedirect", "301", "302", "303", "307", "308"),
        (
            "endpoint_redirects",
            "The server {host} sends requests elsewhere, and no redirect is followed. Name the endpoint that the "
            "bucket itself is at, perhaps the one of its region.",
            "endpoint",
        ),
    ),
    **dict.fromkeys(
        ("NotImplemented", "MethodNotAllowed", "405", "501"),
        ("not_s3", "The server {host} does not list objects as S3's ListObjectsV2 does.", "endpoint"),
    ),
}


def refusal(error: Exception, collection: Collection) -> AccessProblem | None:
    """Why the server refuses, if only its owner or ours can change that; None where it may be otherwise later."""
    server = collection.server
    assert server is not None
    if isinstance(error, AddressRefused):
        message = f"The name of the server {server.host} has no address, or one that is not of the public Internet."
        return AccessProblem("endpoint_refused", message, "endpoint")
    if isinstance(error, CertificateRefused):
        message = f"The certificate of the server {server.host} is not valid for its name."
        return AccessProblem("certificate_invalid", message, "endpoint")
    if not isinstance(error, ClientError):
        return None
    found = _REFUSALS.get(code_of(error))
    if found is not None:
        code, sentence, field = found
        words = sentence.format(host=server.host, bucket=collection.bucket, region=collection.region)
        return AccessProblem(code, words, field)
    if 400 <= _status(error) < 500 and _status(error) not in (408, 429):
        message = f"The server {server.host} refuses the request ({code_of(error)})."
        return AccessProblem("request_refused", message, "endpoint")
    return None


def outage(error: Exception, collection: Collection) -> str:
    """What keeps the server from serving now, as a sentence."""
    assert collection.server is not None
    host = collection.server.host
    if isinstance(error, ClientError):
        return f"The server {host} cannot serve the bucket now ({code_of(error)})."
    if isinstance(error, HTTPClientError):
        return f"The server {host} cannot be reached, or does not answer in time."
    return f"The server {host} does not answer as S3 does."


def code_of(error: ClientError) -> str:
    """The server's code, if it looks like one; else the status."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else str(_status(error))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
