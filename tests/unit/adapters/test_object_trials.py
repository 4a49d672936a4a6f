"""Which objects of a bucket are tried before it is connected, and what S3's responses to them mean."""

import io
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.adapters.s3.bucket_source import BucketSource
from chalicelib.adapters.s3.object_trials import FIRST_TRIALS, MAX_FOLDERS, MORE_TRIALS, ObjectTrials
from chalicelib.domain.bucket_access import MAX_EXAMPLES, AccessFindings
from chalicelib.domain.errors import SourceUnavailable
from tests.factories import a_collection


@dataclass
class Bucket:
    """S3's client on a bucket whose objects have a storage class, or an error with which S3 answers a GET."""

    classes: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)

    def add(self, *keys: str, storage_class: str = "STANDARD", error: str | None = None) -> "Bucket":
        self.classes |= dict.fromkeys(keys, storage_class)
        if error is not None:
            self.errors |= dict.fromkeys(keys, error)
        return self

    def list_objects_v2(self, Prefix: str, MaxKeys: int = 1000, Delimiter: str = "", **_: Any) -> Any:  # noqa: N803
        self.requests["list"] += 1
        keys = sorted(key for key in self.classes if key.startswith(Prefix))
        if Delimiter:
            below = (key.removeprefix(Prefix) for key in keys)
            folders = sorted({f"{Prefix}{name.partition('/')[0]}/" for name in below if "/" in name})
            return {"CommonPrefixes": [{"Prefix": folder} for folder in folders]}
        contents = [
            {"Key": key, "Size": 0 if key.endswith("/") else 7, "StorageClass": self.classes[key]}
            for key in keys[:MaxKeys]
        ]
        return {"Contents": contents, "IsTruncated": len(keys) > MaxKeys}

    def get_object(self, Key: str, Range: str, **_: Any) -> Any:  # noqa: N803
        assert Range == "bytes=0-0"
        self.requests["get"] += 1
        if Key in self.errors:
            raise ClientError({"Error": {"Code": self.errors[Key], "Message": ""}}, "GetObject")
        return {"Body": io.BytesIO(b"a")}

    def findings(self, prefix: str = "") -> AccessFindings:
        source = BucketSource(self, "a-bucket", prefix, None)  # type: ignore[arg-type]
        return ObjectTrials(source, a_collection(prefix=prefix)).findings()

    def codes(self, prefix: str = "") -> tuple[list[str], list[str]]:
        """The codes of the problems and of the warnings."""
        findings = self.findings(prefix)
        return [problem.code for problem in findings.problems], [warning.code for warning in findings.warnings]


def numbered(count: int, prefix: str = "") -> list[str]:
    return [f"{prefix}{number:05}.jpg" for number in range(count)]


@pytest.mark.parametrize(
    ("error", "warning"),
    [
        ("InvalidObjectState", "some_archived"),
        ("InvalidRequest", "some_customer_key"),
        ("AccessDenied", "some_denied"),
        ("KMS.DisabledException", "some_denied"),
    ],
)
def test_one_object_that_cannot_be_read_is_told_and_blocks_no_bucket(error: str, warning: str) -> None:
    bucket = Bucket().add("0000.jpg", error=error).add("0001.jpg")
    assert bucket.codes() == ([], [warning])


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("InvalidObjectState", ([], ["some_archived", "reading_untried"])),
        ("InvalidRequest", ([], ["some_customer_key", "reading_untried"])),
        ("AccessDenied", (["get_denied"], [])),
        ("KMS.DisabledException", (["get_denied"], [])),
        ("NoSuchKey", ([], [])),
    ],
)
def test_a_bucket_of_such_objects_alone_is_refused_only_where_a_permission_is_missing(
    error: str, expected: tuple[list[str], list[str]]
) -> None:
    assert Bucket().add(*numbered(3), error=error).codes() == expected


def test_archived_objects_are_known_from_the_listing_and_not_asked_for() -> None:
    bucket = Bucket().add(*numbered(900), storage_class="DEEP_ARCHIVE").add("zzz.jpg")
    findings = bucket.findings()
    (warning,) = findings.warnings
    assert "900 of 901 objects" in warning.message
    assert warning.examples == tuple(numbered(MAX_EXAMPLES))
    assert bucket.requests["get"] == 1


def test_a_readable_bucket_costs_one_listing_and_a_few_reads() -> None:
    bucket = Bucket().add(*numbered(5000))
    assert bucket.codes() == ([], [])
    assert bucket.requests == {"list": 1, "get": FIRST_TRIALS}


def test_a_readable_object_is_found_behind_a_folder_of_thousands_that_are_denied() -> None:
    bucket = Bucket().add(*numbered(2000, "aaa/"), error="AccessDenied").add("zzz/2026/a.jpg", "zzz/")
    assert bucket.codes() == ([], ["some_denied"])


def test_a_bucket_of_which_nothing_may_be_read_is_known_to_be_so_after_a_bounded_number_of_requests() -> None:
    bucket = Bucket()
    for folder in range(200):
        bucket.add(*numbered(30, f"{folder:03}/"), error="AccessDenied")
    assert bucket.codes() == (["get_denied"], [])
    assert bucket.requests["get"] <= FIRST_TRIALS + MORE_TRIALS + MAX_FOLDERS
    assert bucket.requests["list"] <= MAX_FOLDERS + 2


def test_markers_of_folders_alone_are_an_empty_folder() -> None:
    assert Bucket().add("a/", "a/b/").codes("a/") == ([], ["folder_empty"])


@pytest.mark.parametrize("error", ["SlowDown", "InternalError", "503"])
def test_an_outage_is_no_finding(error: str) -> None:
    with pytest.raises(SourceUnavailable):
        Bucket().add("a.jpg", error=error).findings()
