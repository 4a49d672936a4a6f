"""Requests with errors: each is answered in the contract's envelope, with what to do about it."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from infra.local_system import LocalSystem
from tests.e2e.harness import MISSING_ID, NEW_COLLECTION, Caller, error_info, picture, without_signature


@pytest.mark.parametrize(
    "header",
    [None, "", "Token", "Token ", "Token x", "Bearer smx_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Token smx_" + "a" * 43],
    ids=["none", "empty", "no token", "blank token", "too short", "another scheme", "unknown"],
)
@pytest.mark.parametrize(
    "path", ["/api/search/?query=dog", "/api/collections/", f"/collections/download/{MISSING_ID}/"]
)
def test_a_request_without_a_valid_token_is_forbidden(anonymous: Caller, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert error_info(anonymous("GET", path, headers=headers), 403)["error"] == "forbidden"


OF_A_COLLECTION = [
    ("GET", "/api/collections/{}/"),
    ("POST", "/api/collections/{}/sync/"),
    ("GET", "/api/collections/{}/sync-status/"),
    ("POST", "/api/collections/{}/upload/"),
]


@pytest.mark.parametrize(("method", "path"), OF_A_COLLECTION)
def test_a_collection_of_another_account_is_answered_like_a_missing_one(
    other_account: Caller, stack: LocalSystem, method: str, path: str
) -> None:
    files = {"file": ("a.jpg", picture("owl.jpg"))} if path.endswith("upload/") else None
    foreign = error_info(other_account(method, path.format(stack.managed_collection), files=files), 404)
    missing = error_info(other_account(method, path.format(MISSING_ID), files=files), 404)
    assert foreign["message"] == missing["message"]


@pytest.mark.parametrize(("method", "path"), OF_A_COLLECTION)
@pytest.mark.parametrize("uuid", ["1", "not-a-uuid", MISSING_ID.replace("-", ""), "%00", "é"])
def test_a_malformed_collection_identifier_is_not_found(api: Caller, method: str, path: str, uuid: str) -> None:
    error_info(api(method, path.format(uuid)), 404)


def test_a_file_of_another_account_is_not_found(api: Caller, other_account: Caller) -> None:
    owl = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"][0]
    for link in (owl["download_url"], owl["thumbnail"]):
        error_info(other_account("GET", without_signature(link)), 404)


def test_a_missing_or_malformed_file_is_not_found(api: Caller, stack: LocalSystem) -> None:
    for name in (MISSING_ID, "nonsense"):
        error_info(api("GET", f"/collections/download/{name}/"), 404)
        error_info(api("GET", f"/media/{stack.collection}/{name}.jpg"), 404)
        error_info(api("GET", f"/media/{name}/{MISSING_ID}.jpg"), 404)


def test_a_thumbnail_with_another_ending_is_not_found(api: Caller) -> None:
    owl = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"][0]
    for link in (owl["thumbnail"], without_signature(owl["thumbnail"])):
        error_info(api("GET", link.replace(".jpg", ".png")), 404)
        error_info(api("GET", link.replace(".jpg", "")), 404)


@pytest.mark.parametrize("query", [None, "", "   ", "\t\n", "x" * 1001])
def test_a_text_search_needs_a_query_of_at_most_a_thousand_characters(api: Caller, query: str | None) -> None:
    error_info(api("GET", "/api/search/", params={"query": query}), 400, field="query")


def test_a_query_of_exactly_a_thousand_characters_is_accepted(api: Caller) -> None:
    assert api("GET", "/api/search/", params={"query": "é " * 500}).status_code == 200


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "1.5", "", "1e2", "٣", "9" * 400])
def test_limit_is_a_whole_number_from_1_to_100(api: Caller, limit: str) -> None:
    error_info(api("GET", "/api/search/", params={"query": "dog", "limit": limit}), 400, field="limit")
    answer = api("POST", "/api/search/", params={"limit": limit}, files={"file": picture("owl.jpg")})
    error_info(answer, 400, field="limit")


@pytest.fixture(params=["/api/search/", "/api/collections/{managed}/upload/"])
def send(request: pytest.FixtureRequest, api: Caller, stack: LocalSystem) -> Callable[..., requests.Response]:
    """Posts to one of the two paths that take a picture."""
    path = request.param.format(managed=stack.managed_collection)
    return lambda **options: api("POST", path, **options)


def test_a_picture_is_sent_in_a_part_named_file(send: Any) -> None:
    refused = error_info(send(files={"picture": ("a.jpg", picture("owl.jpg"))}), 400, field="picture")
    assert refused["error"] == "unknown_parameter"
    assert "file" in refused["message"]


def test_two_pictures_in_one_request_are_refused(send: Any) -> None:
    parts = [("file", ("a.jpg", picture("owl.jpg"))), ("file", ("b.jpg", picture("pig.jpg")))]
    error_info(send(files=parts), 400, field="file")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"data": picture("owl.jpg"), "headers": {"Content-Type": "image/jpeg"}},
        {"data": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        {"data": b"--abc\r\nno end", "headers": {"Content-Type": "multipart/form-data; boundary=abc"}},
    ],
    ids=["no body", "a bare picture", "no boundary", "no end"],
)
def test_a_picture_outside_a_form_is_refused(send: Any, options: dict[str, Any]) -> None:
    error_info(send(**options), 400, field="file")


def test_a_path_that_takes_a_form_refuses_json_and_an_upload_is_told_where_to_prepare_one(
    api: Caller, stack: LocalSystem
) -> None:
    path = f"/api/collections/{stack.managed_collection}"
    refused = error_info(api("POST", f"{path}/upload/", json={"file": "a.jpg"}), 415)
    assert f"POST {path}/uploads/" in refused["message"]
    error_info(api("POST", f"{path}/uploads/", json={"path": "a.jpg"}), 400, field="size")
    error_info(api("POST", "/api/search/", json={"file": "a.jpg"}), 400, field="file")


@pytest.mark.parametrize(
    "body",
    [b"", b"just words", b"\x00" * 64, b"%PDF-1.7\n", picture("owl.jpg")[:2000], picture("owl.jpg")[:-4000]],
    ids=["empty", "words", "zeros", "a document", "the first bytes", "a truncated picture"],
)
def test_a_file_that_is_no_whole_picture_is_refused(send: Any, body: bytes) -> None:
    error_info(send(files={"file": ("a.jpg", body)}), 400, field="file")


def test_a_body_beyond_the_gateways_limit_is_too_large(send: Any) -> None:
    padded = picture("owl.jpg") + b"\x00" * 4_500_000
    assert "4,500,000" in error_info(send(files={"file": ("a.jpg", padded)}), 413, field="file")["message"]


def test_the_type_of_a_picture_comes_from_its_bytes_not_its_name(api: Caller, stack: LocalSystem) -> None:
    path = f"/api/collections/{stack.managed_collection}/upload/"
    upload = api.result("POST", path, files={"file": ("notes.txt", picture("pig.jpg"), "text/plain")})
    assert (upload["file"], upload["mime_type"]) == ("notes.txt", "image/jpeg"), "a file keeps its name"
    files = api.result("POST", "/api/search/", files={"file": ("x.exe", picture("pig.jpg"))})["files"]
    assert {file["distance"] for file in files[:2]} == {0.0}


@pytest.mark.parametrize("name", ["..", "a/..", "\\", "x" * 256])
def test_an_invalid_file_name_is_refused(api: Caller, stack: LocalSystem, name: str) -> None:
    path = f"/api/collections/{stack.managed_collection}/upload/"
    error_info(api("POST", path, files={"file": (name, picture("pig.jpg"))}), 400, field="file")


def test_a_failed_upload_does_not_change_the_file_of_that_name(api: Caller, stack: LocalSystem) -> None:
    path = f"/api/collections/{stack.managed_collection}/upload/"
    api.result("POST", path, files={"file": ("kept.jpg", picture("hammer.jpg"))})
    error_info(api("POST", path, files={"file": ("kept.jpg", b"no picture")}), 400, field="file")
    files = api.result("POST", "/api/search/", files={"file": picture("hammer.jpg")})["files"]
    assert ("kept.jpg", 0.0) in [(file["file_name"], file["distance"]) for file in files]


def test_a_collection_on_a_customers_bucket_takes_no_uploads(api: Caller, stack: LocalSystem) -> None:
    path = f"/api/collections/{stack.collection}/upload/"
    error_info(api("POST", path, files={"file": ("a.jpg", picture("owl.jpg"))}), 400)


@pytest.mark.parametrize("charset", ["punycode", "bogus", "rot13", "zlib", "utf-16", "idna"])
def test_the_charset_of_a_forms_part_is_ignored(api: Caller, charset: str) -> None:
    fields = {"limit": (None, "5", f"text/plain; charset={charset}"), "file": ("a.jpg", picture("owl.jpg"))}
    assert len(api.result("POST", "/api/search/", files=fields)["files"]) == 5


def test_a_long_or_undecodable_field_of_a_form_is_refused_with_its_name(api: Caller) -> None:
    for value in (b"a-" + b"9" * 450_000, b"\xff", b"5\x00"):
        fields = {"limit": (None, value, "text/plain; charset=punycode"), "file": ("a.jpg", picture("owl.jpg"))}
        error_info(api("POST", "/api/search/", files=fields), 400, field="limit")


UNSTORABLE = ["\0", "a\ud800", "\udfff"]


@pytest.mark.parametrize("text", UNSTORABLE, ids=ascii)
@pytest.mark.parametrize("field", ["type", "name", "bucket", "folder", "region", "role_arn"])
def test_a_text_of_a_body_that_cannot_be_stored_is_refused_with_its_field(api: Caller, field: str, text: str) -> None:
    error_info(api("POST", "/api/collections/", json={**NEW_COLLECTION, field: text}), 400, field=field)
    error_info(api("POST", "/api/tokens/", json={"name": text, "scope": "read"}), 400, field="name")


@pytest.mark.parametrize("text", UNSTORABLE, ids=ascii)
def test_a_fields_name_that_cannot_be_stored_is_refused(api: Caller, text: str) -> None:
    answer = api("POST", "/api/tokens/", json={text: 1})
    assert answer.status_code == 400
    assert answer.json()["info"]["field"].isprintable()


@pytest.mark.parametrize("encoded", ["%00", "a%00b", "%ED%A0%80", "%FF", "%E2%80%AE"])
def test_no_byte_of_a_path_or_query_fails_on_our_side(api: Caller, stack: LocalSystem, encoded: str) -> None:
    for path in ("/api/collections/{}/", "/api/files/{}/", "/collections/download/{}/", "/api/tokens/{}/"):
        method = "DELETE" if "tokens" in path else "GET"
        error_info(api(method, path.format(encoded)), 404)
    for path in (
        f"/api/search/?query=owl&cursor={encoded}",
        f"/api/search/?query=owl&collection={encoded}",
        f"/api/collections/{stack.collection}/files/?cursor={encoded}",
        f"/api/collections/{stack.collection}/files/?state={encoded}",
    ):
        assert api("GET", path).status_code in (400, 404), path
    for path in (f"/api/search/?query={encoded}", f"/api/collections/{stack.collection}/explain/?key={encoded}"):
        answer = api("GET", path)
        # API Gateway and its emulator replace bytes that are no UTF-8, so only NUL is left to refuse.
        assert answer.status_code in ((400,) if "%00" in encoded else (200, 400)), answer.text


@pytest.mark.parametrize("length", [300, 3000])
def test_an_identifier_of_any_length_is_not_found(api: Caller, stack: LocalSystem, length: int) -> None:
    for method, path in (
        ("DELETE", "/api/tokens/{}/"),
        ("POST", f"/api/collections/{stack.managed_collection}/uploads/{{}}/complete/"),
        ("GET", "/api/files/{}/"),
        ("GET", "/api/collections/{}/"),
        ("GET", f"/media/{stack.collection}/{{}}.jpg"),
    ):
        error_info(api(method, path.format("x" * length)), 404)
    error_info(api("GET", f"/api/search/?query=owl&collection={'x' * length}"), 404, field="collection")


def test_a_message_repeats_the_beginning_of_what_was_sent_and_no_more(api: Caller) -> None:
    answer = api("POST", "/api/tokens/", json={"f" * 3_000_000: 1})
    error_info(answer, 400, field="f" * 100 + "…")
    assert len(answer.content) < 1000


@pytest.mark.parametrize("position", [[10**400, MISSING_ID], ["", MISSING_ID], [0.5, ""], "", {}, [[]], [True]])
def test_a_forged_cursor_is_refused(api: Caller, stack: LocalSystem, position: object) -> None:
    for path in ("/api/search/?query=owl&limit=1", f"/api/collections/{stack.collection}/files/?limit=1"):
        genuine = api("GET", path).json()["info"]["next_cursor"]
        digest, _ = json.loads(base64.urlsafe_b64decode(genuine + "=" * (-len(genuine) % 4)))
        forged = base64.urlsafe_b64encode(json.dumps([digest, position]).encode()).decode().rstrip("=")
        error_info(api("GET", f"{path}&cursor={forged}"), 400, field="cursor")


PATHS = [
    ("/api/search/", "GET, POST"),
    ("/api/collections/", "GET, POST"),
    (f"/api/collections/{MISSING_ID}/sync/", "DELETE, POST"),
    (f"/api/collections/{MISSING_ID}/explain/", "GET"),
    ("/api/collections/check/", "POST"),
    (f"/api/collections/{MISSING_ID}/", "DELETE, GET, PATCH"),
    (f"/api/collections/{MISSING_ID}/files/", "GET"),
    (f"/api/collections/{MISSING_ID}/uploads/{MISSING_ID}/complete/", "POST"),
    (f"/api/files/{MISSING_ID}/", "DELETE, GET, PATCH"),
    (f"/api/files/{MISSING_ID}/similar/", "GET"),
    (f"/api/files/{MISSING_ID}/retry/", "POST"),
    ("/api/account/", "DELETE, GET"),
    ("/api/tokens/", "GET, POST"),
    (f"/api/tokens/{MISSING_ID}/", "DELETE"),
    (f"/api/collections/{MISSING_ID}/sync-status/", "GET"),
    (f"/api/collections/{MISSING_ID}/upload/", "POST"),
    (f"/media/{MISSING_ID}/{MISSING_ID}.jpg", "GET"),
    (f"/collections/download/{MISSING_ID}/", "GET"),
]


@pytest.mark.parametrize(("path", "allowed"), PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_answered_with_the_allowed_ones(api: Caller, path: str, allowed: str, method: str) -> None:
    methods = set(allowed.split(", "))
    if method in methods:
        return
    answer = api(method, path)
    error_info(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())


@pytest.mark.parametrize("path", ["/api/", "/api/nothing/", "/api/search/more/", "/favicon.ico", "/media/x/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_is_not_found(api: Caller, anonymous: Caller, path: str, method: str) -> None:
    error_info(api(method, path), 404)
    error_info(anonymous(method, path), 404)


@pytest.mark.parametrize("body", [b"", b"{", b"name=x", b"[]", b'"s3"', b"null", b"3", b"\xff\xfe", b"[" * 100_000])
def test_a_request_for_a_collection_must_be_a_json_object(api: Caller, body: bytes) -> None:
    error_info(api("POST", "/api/collections/", data=body, headers={"Content-Type": "application/json"}), 400)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", None),
        ("type", "ftp"),
        ("type", 3),
        ("name", None),
        ("name", "  "),
        ("name", "n" * 101),
        ("bucket", None),
        ("bucket", "Not_A_Bucket"),
        ("bucket", "ab"),
        ("bucket", "192.168.0.1"),
        ("folder", 7),
        ("folder", "f" * 901),
        ("region", "moon"),
        ("role_arn", None),
        ("role_arn", "arn:aws:iam::123456789012:role/admin"),
        ("auto_sync_interval", "hourly"),
        ("colour", "red"),
    ],
)
def test_an_invalid_request_for_a_collection_names_the_field(api: Caller, field: str, value: object) -> None:
    payload = {name: valid for name, valid in NEW_COLLECTION.items() if name != field}
    payload |= {} if value is None else {field: value}
    error_info(api("POST", "/api/collections/", json=payload), 400, field=field)


def test_responses_have_gzip_and_requests_must_not(api: Caller) -> None:
    plain = api("GET", "/api/openapi.json", headers={"Accept-Encoding": "identity"})
    compressed = api("GET", "/api/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.content == plain.content
    assert int(compressed.headers["Content-Length"]) < len(plain.content) / 4
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    refused = api("POST", "/api/collections/", data=gzip.compress(b'{"type": "managed"}'), headers=headers)
    assert error_info(refused, 415, field="Content-Encoding")["error"] == "unsupported_media_type"
