"""Schemas of what says where a bucket is that is not on AWS, and of what its check may find."""

from chalicelib.api.openapi.builders import nullable, text
from chalicelib.domain.storage_servers import (
    ACCESS_KEY_ID_PATTERN,
    ENDPOINT_LIMIT,
    ENDPOINT_PATTERN,
    SECRET_ACCESS_KEY_PATTERN,
    SERVER_REGION_PATTERN,
)

# A region of AWS is one by this pattern, too.
REGION = text(
    "AWS region of the S3 bucket; at an endpoint the region as its server names it, which may be left out there",
    "eu-central-1",
    pattern=f"^{SERVER_REGION_PATTERN}$",
)
ENDPOINT = text(
    "The server of a bucket that is not on AWS, by HTTPS; it is read with an access key in place of a role",
    "https://s3.example.com",
    pattern=ENDPOINT_PATTERN,
    maxLength=ENDPOINT_LIMIT,
)
ACCESS_KEY = {
    "access_key_id": text(
        "Identifier of the access key that reads the bucket at the endpoint; with its secret",
        "AKIDEXAMPLE",
        pattern=f"^{ACCESS_KEY_ID_PATTERN}$",
    ),
    "secret_access_key": text(
        "Secret of the access key; it is encrypted, and no response has it",
        "the-secret-of-the-access-key",
        pattern=f"^{SECRET_ACCESS_KEY_PATTERN}$",
        format="password",
        writeOnly=True,
    ),
}
OPTIONAL_ACCESS_KEY = {name: nullable(schema) for name, schema in ACCESS_KEY.items()}
PROBLEMS_OF_SERVERS = (
    "no_access_key",
    "access_key_unknown",
    "signature_refused",
    "clock_differs",
    "endpoint_refused",
    "endpoint_unreachable",
    "endpoint_redirects",
    "certificate_invalid",
    "listing_unsorted",
    "listing_restarts",
    "not_s3",
    "request_refused",
)
WARNINGS_OF_SERVERS = ("etags_differ", "changes_missed", "names_differ")
