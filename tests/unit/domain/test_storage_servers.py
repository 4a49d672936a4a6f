"""What names an S3-compatible server, and what does not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.storage_servers import (
    DEFAULT_REGION,
    ENDPOINT_PATTERN,
    parse_access_key,
    parse_endpoint,
    parse_server_region,
)

SECRET = "a-secret-of-a-key"


@pytest.mark.parametrize(
    ("endpoint", "canonical"),
    [
        ("https://s3.example.com", "https://s3.example.com"),
        ("https://s3.example.com/", "https://s3.example.com"),
        ("https://S3.Example.COM:443", "https://s3.example.com"),
        ("https://minio.example.com:9000/", "https://minio.example.com:9000"),
        ("https://abc123.r2.cloudflarestorage.com", "https://abc123.r2.cloudflarestorage.com"),
        ("https://s3.eu-central-003.backblazeb2.com", "https://s3.eu-central-003.backblazeb2.com"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_endpoint_has_one_spelling(endpoint: str, canonical: str) -> None:
    assert parse_endpoint(endpoint, is_local=False) == canonical
    assert parse_endpoint(canonical, is_local=False) == canonical
    assert re.fullmatch(ENDPOINT_PATTERN, canonical)


@pytest.mark.parametrize(
    "endpoint",
    [
        *(None, "", 5, "s3.example.com", "ftp://s3.example.com", "http://s3.example.com", "https://", "https://["),
        *("https://localhost", "https://127.0.0.1", "https://[::1]", "https://10.0.0.1:9000", "https://minio"),
        *("https://key:secret@s3.example.com", "https://s3.example.com/bucket", "https://s3.example.com?a=b"),
        *("https://s3.example.com#a", "https://s3.example.com:0", "https://s3.example.com:22"),
        *("https://s3.example.com:99999", "https://s3.example.com:x", "https://s3.example.com\\@evil.example"),
        *("https://s3.amazonaws.com", "https://s3.eu-central-1.amazonaws.com", "https://bucket.s3.amazonaws.com.cn"),
        *("https://s3 .example.com", "https://s3.example.com\n", "https://" + "a" * 300 + ".example"),
        *("https://-a.example.com", "https://a..example.com", "https://a.example.com.", "https://1.2.3.4."),
    ],
)
def test_what_is_no_server_of_the_internet_by_https_is_refused_by_its_field(endpoint: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_endpoint(endpoint, is_local=False)
    assert caught.value.field == "endpoint"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9000", "http://localhost:9000", "https://localhost:9000"])
def test_only_a_local_system_may_name_its_own_machine(endpoint: str) -> None:
    assert parse_endpoint(endpoint, is_local=True) == endpoint
    with pytest.raises(InvalidRequest):
        parse_endpoint(endpoint, is_local=False)
    for other in ("http://10.0.0.1:9000", "http://169.254.169.254", "http://s3.example.com"):
        with pytest.raises(InvalidRequest):
            parse_endpoint(other, is_local=True)


@given(st.text())
def test_any_text_is_an_endpoint_in_its_canonical_form_or_refused(text: str) -> None:
    for endpoint in (text, f"https://{text}"):
        try:
            parsed = parse_endpoint(endpoint, is_local=False)
        except InvalidRequest:
            continue
        assert parse_endpoint(parsed, is_local=False) == parsed
        assert re.fullmatch(r"https://[a-z0-9.-]+(:\d+)?", parsed, re.ASCII)


def test_a_region_is_as_the_server_names_it_and_may_be_left_out() -> None:
    assert parse_server_region(None) == DEFAULT_REGION
    assert [parse_server_region(region) for region in ("auto", "fsn1", "us-west-004")] == [
        "auto",
        "fsn1",
        "us-west-004",
    ]
    for region in ("", 5, "a b", "a/b", "A", "-a", "x" * 64):
        with pytest.raises(InvalidRequest):
            parse_server_region(region)


@pytest.mark.parametrize(
    ("identifier", "secret", "field"),
    [
        *((identifier, SECRET, "access_key_id") for identifier in (None, "", "ab", "a/b", "a,b", "a b", 5, "x" * 129)),
        *(("AKID", secret, "secret_access_key") for secret in (None, "", "short", "with space", "ü" * 9, 5, "x" * 257)),
    ],
)
def test_a_malformed_access_key_is_refused_without_being_repeated(
    identifier: object, secret: object, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_access_key(identifier, secret)
    assert caught.value.field == field
    assert secret in (None, "", 5) or str(secret) not in caught.value.message


def test_an_access_key_shows_its_identifier_alone() -> None:
    key = parse_access_key("AKID", SECRET)
    assert (key.id, key.secret) == ("AKID", SECRET)
    assert SECRET not in repr(key)
