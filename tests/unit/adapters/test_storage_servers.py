"""Buckets on S3-compatible servers: what is listed and read, and what is not believed."""

import ssl
from dataclasses import replace
from typing import Any

import pytest
from botocore.config import Config

from chalicelib.adapters.s3.access_checker import S3AccessChecker
from chalicelib.adapters.s3.server_checker import ServerAccessChecker
from chalicelib.adapters.s3.server_requests import SERVER_CLIENT, ServerRequests, server_client
from chalicelib.adapters.s3.server_sources import MAX_CLIENTS, ServerSources
from chalicelib.adapters.s3.sources import S3Sources
from chalicelib.domain.bucket_access import AccessFindings
from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import OutsideFolder, SourceDenied, SourceUnavailable
from chalicelib.domain.file_actions import is_same_object
from chalicelib.domain.files import NO_ETAG, ObjectInfo
from chalicelib.domain.storage_servers import AccessKey, ETagMeaning, StorageServer
from chalicelib.domain.web_urls import NoAllowedAddress
from tests.factories import AWKWARD_KEYS, a_collection
from tests.fakes.s3_server import FakeS3Server

SECRET = "the secret of the access key"
ONCE = SERVER_CLIENT.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
URL = "https://s3.example.com:9000"


def on_server(**fields: Any) -> Collection:
    server = StorageServer(URL, "AKID", b"sealed", fields.pop("etags", ETagMeaning.OPAQUE))
    values = {"bucket": "a-bucket", "region": "auto", "role_arn": None, "external_id": None, "server": server}
    return a_collection(**(values | fields))


class World:
    """The application's adapters, on a server of the test."""

    def __init__(self) -> None:
        self.server = FakeS3Server()
        self.opened: list[bytes] = []
        self.made = 0
        self.servers = ServerSources(self._open, self._make)
        nothing: Any = None
        self.sources = S3Sources(nothing, nothing, nothing, servers=lambda: self.servers)
        self.checker = S3AccessChecker(self.sources, lambda: ServerAccessChecker(self.servers))

    def _open(self, account: str, collection: str, sealed: bytes) -> str:
        assert account and collection
        self.opened.append(sealed)
        return SECRET

    def _make(self, url: str, region: str, key: AccessKey, deadline: float | None) -> Any:
        self.made += 1
        assert key == AccessKey("AKID", SECRET)
        return server_client(url, region, key, ServerRequests(self.server, 5, deadline), ONCE)

    def keys(self, collection: Collection, after: str | None = None) -> list[str]:
        return [listed.key for listed in self.sources.of(collection).list_objects(after)]

    def check(self, **fields: Any) -> AccessFindings:
        return self.checker.check(on_server(**fields))

    def problem(self, **fields: Any) -> tuple[str, str]:
        (problem,) = self.check(**fields).problems
        return problem.code, problem.field


@pytest.fixture
def world() -> World:
    return World()


def test_a_listing_has_the_keys_under_the_prefix_in_the_order_of_their_bytes_over_pages(world: World) -> None:
    keys = ["pictures/" + key for key in AWKWARD_KEYS if len(("pictures/" + key).encode()) <= 1024]
    many = [f"pictures/many/{number:04}" for number in range(2001)]
    world.server.objects = dict.fromkeys([*keys, *many, "beside/x"], b"a picture")
    expected = sorted([*keys, *many], key=str.encode)
    assert world.keys(on_server()) == expected
    assert world.keys(on_server(), many[1000]) == [key for key in expected if key > many[1000]]
    assert all("continuation-token" not in target for _, target in world.server.requests)


def test_a_listing_that_ends_with_a_full_page_is_continued_whatever_the_server_says_of_its_end(world: World) -> None:
    world.server.objects = {f"pictures/{number:04}": b"x" for number in range(1000)}
    assert len(world.keys(on_server())) == 1000
    assert len(world.server.requests) == 2


@pytest.mark.parametrize(
    ("habit", "words"),
    [
        ({"order": lambda key: key.encode("utf-16-be")}, "order of their keys' UTF-8 bytes"),
        ({"order": str.lower}, "order of their keys' UTF-8 bytes"),
        ({"ignores": {"start-after"}}, "order of their keys' UTF-8 bytes"),
        ({"ignores": {"prefix"}}, "outside the folder"),
        ({"always_truncated": True}, "breaks its listing off"),
    ],
)
def test_a_listing_that_no_sync_can_rely_on_ends_with_the_reason_instead_of_with_its_last_key(
    world: World, habit: dict[str, Any], words: str
) -> None:
    keys = ["pictures/a", "pictures/B", "pictures/\uff5e", "pictures/\U0001f600", "a/beside"]
    world.server.objects = dict.fromkeys([*keys, *(f"pictures/c{n:04}" for n in range(1000))], b"x")
    for name, value in habit.items():
        setattr(world.server, name, value)
    with pytest.raises(SourceDenied, match=words):
        world.keys(on_server())


def test_a_listing_with_a_key_that_no_table_takes_is_refused(world: World) -> None:
    world.server.objects = {"pictures/" + "x" * 1024: b"x"}
    with pytest.raises(SourceDenied, match="1,024 bytes"):
        world.keys(on_server())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<html></html>",
        b"<ListBucketResult></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated>",
        b"<ListBucketResult><Contents><Key>pictures/a</Key></Contents></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>pictures/a</Key><Size>-1</Size></Contents></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>pictures/a</Key><Size>x</Size></Contents></ListBucketResult>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><ListBucketResult>&a;</ListBucketResult>',
        '<?xml version="1.0" encoding="UTF-16"?><ListBucketResult/>'.encode("utf-16"),
        b'<?xml version="1.0" encoding="cp037"?><ListBucketResult/>',
    ],
)
def test_a_document_that_is_no_listing_is_an_outage_and_never_an_empty_bucket(world: World, body: bytes) -> None:
    world.server.body = body
    with pytest.raises(SourceUnavailable, match=r"does not answer as S3 does|cannot serve the bucket now"):
        world.keys(on_server())


@pytest.mark.parametrize(
    ("error", "words", "is_final"),
    [
        (("InvalidAccessKeyId", 403), "does not know the access key", True),
        (("SignatureDoesNotMatch", 403), "refuses the signature", True),
        (("RequestTimeTooSkewed", 403), "clock of the server", True),
        (("AccessDenied", 403), "may not list the bucket", True),
        (("NoSuchBucket", 404), "no bucket a-bucket at the server", True),
        (("AuthorizationHeaderMalformed", 400), "another region than auto", True),
        (("PermanentRedirect", 301), "no redirect is followed", True),
        (("NotImplemented", 501), "ListObjectsV2", True),
        (("InvalidArgument", 400), r"refuses the request \(InvalidArgument\)", True),
        (("<b>" + "x" * 99, 400), r"refuses the request \(400\)", True),
        (("InternalError", 500), r"cannot serve the bucket now \(InternalError\)", False),
        (("SlowDown", 503), r"cannot serve the bucket now \(SlowDown\)", False),
    ],
)
def test_each_error_of_a_server_has_its_words_and_the_servers_own_message_is_not_repeated(
    world: World, error: tuple[str, int], words: str, is_final: bool
) -> None:
    world.server.error = error
    kind = SourceDenied if is_final else SourceUnavailable
    with pytest.raises(SourceUnavailable, match=words) as caught:
        world.keys(on_server())
    assert type(caught.value) is kind
    assert "a secret of the server" not in str(caught.value)
    if is_final:
        (problem,) = world.check().problems
        assert problem.message == caught.value.message
    else:
        with pytest.raises(SourceUnavailable, match=words):
            world.check()


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><p>busy", b"<html></html>", b"busy", b""])
def test_a_page_of_a_busy_proxy_is_an_outage_and_no_other_protocol(world: World, body: bytes) -> None:
    world.server.body, world.server.body_status = body, 502
    for ask in (world.check, lambda: world.keys(on_server())):
        with pytest.raises(SourceUnavailable, match=r"cannot serve the bucket now \(502\)") as caught:
            ask()
        assert type(caught.value) is SourceUnavailable


@pytest.mark.parametrize(
    ("raised", "code", "is_final"),
    [
        (NoAllowedAddress(), "endpoint_refused", True),
        (ssl.SSLCertVerificationError(), "certificate_invalid", True),
        (ssl.SSLError(), "endpoint_unreachable", False),
        (TimeoutError(), "endpoint_unreachable", False),
        (ConnectionRefusedError(), "endpoint_unreachable", False),
    ],
)
def test_a_server_that_cannot_be_reached_is_told_with_its_field(
    world: World, raised: Exception, code: str, is_final: bool
) -> None:
    world.server.raises = raised
    assert world.problem() == (code, "endpoint")
    with pytest.raises(SourceDenied if is_final else SourceUnavailable):
        world.keys(on_server())


def test_a_readable_bucket_has_no_problem_and_its_etags_are_measured(world: World) -> None:
    world.server.objects = {f"pictures/{name}.jpg": name.encode() for name in ("a", "b", "c d")}
    assert world.check() == AccessFindings([], [], ETagMeaning.OPAQUE)
    world.server.etag_of = lambda body, _: f"{len(body)}-opaque"
    assert world.check().etags is ETagMeaning.OPAQUE
    world.server.etag_of = lambda body, is_listed: f"{len(body)}-{is_listed}"
    findings = world.check()
    assert (findings.etags, [warning.code for warning in findings.warnings]) == (ETagMeaning.NONE, ["etags_differ"])
    world.server.objects = {}
    findings = world.check()
    assert (findings.etags, [warning.code for warning in findings.warnings]) == (None, ["folder_empty"])


def test_a_server_without_etags_and_times_never_shows_a_change_that_keeps_the_size_and_the_check_says_so(
    world: World,
) -> None:
    world.server.objects = {"pictures/a.jpg": b"a picture"}
    world.server.tells_times = False
    assert world.check() == AccessFindings([], [], ETagMeaning.OPAQUE), "ETags alone tell every change"
    world.server.etag_of = lambda body, is_listed: str(is_listed)
    (warning,) = world.check().warnings
    assert (warning.code, "never found" in warning.message) == ("changes_missed", True)
    source = world.sources.of(on_server(etags=ETagMeaning.NONE))
    (before,) = source.list_objects(None)
    world.server.objects = {"pictures/a.jpg": b"b picture"}
    (after,) = source.list_objects(None)
    assert is_same_object(before, after)
    world.server.objects = {"pictures/a.jpg": b"a larger picture"}
    (after,) = source.list_objects(None)
    assert not is_same_object(before, after)


@pytest.mark.parametrize(
    ("habit", "problem"),
    [
        ({"order": lambda key: key.encode("utf-16-be")}, ("listing_unsorted", "endpoint")),
        ({"ignores": {"start-after"}}, ("listing_restarts", "endpoint")),
        ({"ignores": {"max-keys"}}, ("listing_restarts", "endpoint")),
        ({"ignores": {"prefix"}}, ("not_s3", "endpoint")),
        ({"denied": {"pictures/a", "pictures/\uff5e", "pictures/\U0001f600"}}, ("get_denied", "access_key_id")),
        ({"bucket": "another"}, ("no_such_bucket", "bucket")),
        ({"body": b"hello"}, ("not_s3", "endpoint")),
    ],
)
def test_a_server_that_cannot_be_synced_is_not_connected(
    world: World, habit: dict[str, Any], problem: tuple[str, str]
) -> None:
    keys = ["pictures/a", "pictures/\uff5e", "pictures/\U0001f600"]
    world.server.objects = dict.fromkeys([*keys, "a/beside"], b"x")
    for name, value in habit.items():
        setattr(world.server, name, value)
    assert world.problem() == problem


def test_a_head_has_the_identity_of_the_listing_and_a_missing_or_denied_object_is_told(world: World) -> None:
    world.server.objects = {"pictures/a": b"a", "pictures/b": b"b"}
    world.server.denied = {"pictures/b"}
    source = world.sources.of(on_server())
    listed = {found.key: found for found in source.list_objects(None)}
    heads = source.head_objects(["pictures/a", "pictures/b", "pictures/c"])
    assert (heads["pictures/a"], heads["pictures/c"]) == (listed["pictures/a"], None)
    denied = heads["pictures/b"]
    assert isinstance(denied, ReadFailure) and (denied.code, denied.transient) == ("access_denied", False)
    with pytest.raises(OutsideFolder):
        source.head_objects(["elsewhere/a"])
    world.server.raises = TimeoutError()
    failure = source.head_objects(["pictures/a"])["pictures/a"]
    assert isinstance(failure, ReadFailure) and failure.transient


def test_where_etags_mean_nothing_objects_are_compared_by_size_and_time(world: World) -> None:
    world.server.objects = {"pictures/a": b"a"}
    world.server.etag_of = lambda body, is_listed: f"{len(body)}-{is_listed}"
    source = world.sources.of(on_server(etags=ETagMeaning.NONE))
    (listed,), head = source.list_objects(None), source.head_objects(["pictures/a"])["pictures/a"]
    assert isinstance(head, ObjectInfo) and listed.modified == head.modified is not None
    assert listed == head == ObjectInfo("pictures/a", NO_ETAG, 1)


def test_an_etag_is_never_longer_than_a_table_takes(world: World) -> None:
    world.server.objects = {"pictures/a": b"a"}
    world.server.etag_of = lambda *_: "e" * 100_000
    (listed,) = world.sources.of(on_server()).list_objects(None)
    assert len(listed.etag) == 64


def test_a_presigned_url_leads_to_the_endpoint_with_the_bucket_in_its_path(world: World) -> None:
    url = world.sources.of(on_server()).presigned_get("pictures/a b+ü?.jpg", seconds=60, file_name="a.jpg")
    assert url.startswith(f"{URL}/a-bucket/pictures/a%20b%2B%C3%BC%3F.jpg?response-content-disposition=attachment")
    assert "X-Amz-Credential=AKID%2F" in url and "%2Fauto%2Fs3%2Faws4_request" in url
    assert SECRET not in url and not world.server.requests


def test_a_collection_keeps_its_client_until_it_has_another_key(world: World) -> None:
    collection = on_server()
    for _ in range(3):
        world.sources.of(collection)
    assert (world.made, world.opened) == (1, [b"sealed"])
    assert collection.server is not None
    rotated = replace(collection, server=replace(collection.server, sealed_secret=b"sealed anew"))
    world.sources.of(rotated)
    assert (world.made, world.opened) == (2, [b"sealed", b"sealed anew"])
    for _ in range(MAX_CLIENTS):
        world.sources.of(on_server())
    world.sources.of(rotated)
    assert world.made == MAX_CLIENTS + 3


def test_no_text_of_a_collection_or_a_key_has_a_secret() -> None:
    assert "sealed" not in repr(on_server())
    assert SECRET not in repr(AccessKey("AKID", SECRET))
