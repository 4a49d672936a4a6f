"""Who may enter the emulator: by name of the host, page of origin, path and signature."""

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.emulator_door import SIGN_IN_REQUESTS, Door, Visitor, answer, guarded, is_local
from tests import loops

SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261126/us-east-1/sqs/aws4_request, "
    f"SignedHeaders=host;x-amz-date;x-amz-target, Signature={'0' * 64}"
)
PRESIGNED = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20261126%2Fus-east-1%2Fs3%2Faws4_request"
    f"&X-Amz-Date=20261126T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}"
)
PRESIGNED_2 = "AWSAccessKeyId=AKIAEXAMPLE&Signature=a&Expires=4102444800"
FORM = {"content-type": "multipart/form-data; boundary=x"}
FOREIGN = {"origin": "https://evil.example"}
API = "/_aws/execute-api/0123abcd/live/api/search/"


def scope(
    method: str = "GET", path: str = "/", query: str = "", host: str = "127.0.0.1:4566", **headers: str
) -> dict[str, Any]:
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in named.items() if value],
    }


def door() -> Door:
    """Of an emulator that has one API, which also has a name of its own, and the bucket ``photos``."""
    return Door(
        lambda host, path: path.startswith("/_aws/execute-api/0123abcd/") or host.startswith("api.localhost"),
        lambda host, path: path.split("/")[1] == "photos" or host.startswith("photos."),
    )


def enters(*args: str, **options: str) -> bool:
    return door().refusal(Visitor.of(scope(*args, **options))) is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1:4566", "127.0.0.1", "localhost:4566", "LOCALHOST", "photos.localhost:4566"]
)
def test_every_name_of_this_machine_is_let_in(host):
    assert enters(path="/photos/owl.jpg", host=host, authorization=SIGNATURE)
    assert enters(path=API, host=host)


@pytest.mark.parametrize(("method", "path"), SIGN_IN_REQUESTS)
def test_users_sign_in_from_pages_of_this_machine_alone(method, path):
    assert enters(method, path)
    assert enters(method, path, origin="http://127.0.0.1:4566")
    assert not enters(method, path, **FOREIGN)
    assert not enters(method, path, host="evil.example")
    assert not enters("PUT", path)
    assert not enters(method, f"{path}/x")


FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:4566",
    "127.0.0.1.evil.example:4566",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1@evil.example",
    "127.0.0.1:4566, evil.example",
    "192.168.0.7:4566",
    "[::1]:4566",
    "0.0.0.0:4566",
    "",
]


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
@pytest.mark.parametrize("path", ["/photos/owl.jpg", API, "/_ministack/health"])
def test_no_other_name_is_let_in_whatever_it_asks_for(host, path):
    assert not enters(path=path, host=host, authorization=SIGNATURE)
    assert not enters(path=path, query=PRESIGNED, host=host)


@given(st.text(string.ascii_lowercase + string.digits + ".-:@[]", max_size=40))
def test_a_name_is_local_only_if_its_host_is_localhost_below_it_or_loopbacks_address(name):
    host = name.split(":")[0]
    if is_local(name):
        assert host in ("127.0.0.1", "localhost") or host.endswith(".localhost")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:4566", "https://evil.example", "null"])
def test_the_deployed_api_is_reached_from_every_origin(method, origin):
    page = {"origin": origin} if origin else {}
    assert enters(method, API, **page)
    assert enters(method, "/api/search/", host="api.localhost:4566", **page)
    assert not enters(method, "/_aws/execute-api/ffffffff/live/api/search/", **page)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8000", "https://127.0.0.1:4566"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/2015-03-31/functions", "/another-bucket/owl.jpg", "/_ministack/health"])
def test_a_page_of_another_origin_does_not_call_awss_apis_even_if_it_can_sign(origin, method, path):
    assert not enters(method, path, origin=origin, authorization=SIGNATURE)


def test_a_page_of_the_same_origin_may_call_them_if_it_can_sign():
    assert enters("POST", origin="http://localhost:4566", host="localhost:4566", authorization=SIGNATURE)
    assert not enters("POST", origin="http://localhost:4566", host="localhost:4566")


def test_presigned_urls_and_forms_are_used_from_every_origin():
    assert enters("GET", "/photos/owl.jpg", query=PRESIGNED, **FOREIGN)
    assert enters("PUT", "/photos/owl.jpg", query=PRESIGNED)
    assert enters("GET", "/photos/owl.jpg", query=PRESIGNED_2, **FOREIGN)
    assert enters("POST", "/photos", **FORM, **FOREIGN)
    assert enters("POST", "/", host="photos.localhost", **FORM)


def test_a_presigned_url_opens_nothing_but_its_bucket_to_a_page_of_another_origin():
    for path in ("/2015-03-31/functions", "/another-bucket/owl.jpg"):
        assert not enters("POST", path, query=PRESIGNED, **FOREIGN)
        assert not enters("OPTIONS", path, query=PRESIGNED, **FOREIGN)
        assert enters("GET", path, query=PRESIGNED)  # S3 says that there is no such bucket, and Lambda refuses it


@pytest.mark.parametrize(("path", "stays"), [("/photos/owl.jpg", False), ("/2015-03-31/functions", False), (API, True)])
def test_a_token_beside_a_presigned_url_reaches_the_api_alone(path, stays):
    """A client that follows the redirect of a download sends it to the same host."""
    asked = scope("GET", path, PRESIGNED, authorization="Token secret")
    visitor = Visitor.of(asked)

    assert door().refusal(visitor) is None
    shown = [name for name, _ in door().admitted(asked, visitor)["headers"]]
    assert (b"authorization" in shown) is stays
    assert b"host" in shown


def test_a_signature_in_the_header_reaches_the_emulator():
    asked = scope("POST", "/", authorization=SIGNATURE)
    assert door().admitted(asked, Visitor.of(asked)) == asked


def test_a_page_of_another_origin_gains_nothing_by_a_query_or_a_form_beside_its_header():
    assert not enters("PUT", "/photos/owl.jpg", query=PRESIGNED, authorization=SIGNATURE, **FOREIGN)
    assert not enters("POST", "/photos", "delete", authorization=SIGNATURE, **FORM, **FOREIGN)


def test_a_buckets_own_cors_configuration_answers_for_it_alone():
    assert enters("OPTIONS", "/photos/owl.jpg", **FOREIGN)
    assert not enters("OPTIONS", "/another-bucket/owl.jpg", **FOREIGN)


UNSIGNED = [
    "",
    "Token abc",
    "Bearer abc",
    "AWS AKIAEXAMPLE:c2lnbmF0dXJl",
    "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261126/us-east-1/sqs/aws4_request",
    SIGNATURE.replace("host;", ""),
    SIGNATURE.replace("0" * 64, "0" * 63),
    f"{SIGNATURE}, {SIGNATURE}",
]


@pytest.mark.parametrize("authorization", UNSIGNED)
def test_a_caller_without_a_complete_signature_is_refused(authorization):
    assert not enters("POST", "/", authorization=authorization)


def test_a_signature_covers_the_operation_that_a_header_names():
    assert enters("POST", "/", authorization=SIGNATURE, x_amz_target="AmazonSQS.ListQueues")
    uncovered = SIGNATURE.replace(";x-amz-target", "")
    assert not enters("POST", "/", authorization=uncovered, x_amz_target="AmazonSQS.ListQueues")


@pytest.mark.parametrize(
    "query",
    [
        PRESIGNED.replace("X-Amz-Signature", "X-Other"),
        PRESIGNED.replace("%2Fs3%2F", "%2Fsqs%2F"),
        f"{PRESIGNED}&X-Amz-Credential=another",
        PRESIGNED_2.replace("Expires", "Expiry"),
        f"{PRESIGNED_2}&Signature=b",
    ],
)
def test_a_query_without_one_complete_signature_for_s3_is_no_presigned_url(query):
    assert not enters("GET", "/photos/owl.jpg", query=query)


def test_a_form_for_a_bucket_that_does_not_exist_is_refused():
    assert not enters("POST", "/another-bucket", **FORM)


ADMINISTRATION = [
    "/_ministack/reset",
    "/_ministack/config",
    "/_ministack/sqs/messages",
    "/_ministack/ses/messages",
    "/_ministack/cfn-response/x",
    "/_ministack/rds/iam-auth",
    "/_ministack/health/",
    "/_localstack/health",
    "/_aws/lambda-url/x",
    "/_alb/x",
    "/health",
]


@pytest.mark.parametrize("path", ADMINISTRATION)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_the_emulators_administration_is_closed_to_everybody_also_with_a_signature(path, method):
    assert not enters(method, path)
    assert not enters(method, path, authorization=SIGNATURE)
    assert not enters(method, path, query=PRESIGNED)


def test_its_health_is_shown_and_can_only_be_read():
    assert enters("GET", "/_ministack/health")
    assert not enters("POST", "/_ministack/health")


def test_a_custom_resources_function_tells_cloudformation_what_became_of_it_and_nothing_else():
    answer_path = "/_ministack/cfn-response/0f8fad5b-d9cb-469f-a165-70867728950e"

    assert enters("PUT", answer_path)
    assert not enters("PUT", answer_path, **FOREIGN)
    for method, path in (("GET", answer_path), ("PUT", f"{answer_path}/"), ("PUT", "/_ministack/cfn-response/x")):
        assert not enters(method, path)


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({"x_amz_target": "DynamoDB_20120810.PutItem"}, '{"__type": "MissingAuthenticationToken"'),
        ({"content_type": "application/x-www-form-urlencoded"}, "<ErrorResponse><Error><Code>MissingAuth"),
        ({}, "<Error><Code>MissingAuthenticationToken</Code>"),
    ],
)
def test_a_refusal_is_worded_as_the_callers_protocol_words_errors(headers, shown):
    visitor = Visitor.of(scope("POST", **headers))
    refusal = door().refusal(visitor)
    assert refusal is not None
    status, _, body = answer(visitor, refusal)

    assert status == 403
    assert body.decode().startswith(shown)


def test_what_a_refusal_repeats_is_cut_and_cannot_be_markup():
    visitor = Visitor.of(scope(path="/", origin=f"<b>{'x' * 1000}", authorization=SIGNATURE))
    refusal = door().refusal(visitor)
    assert refusal is not None
    _, _, body = answer(visitor, refusal)

    assert b"&lt;b&gt;" in body
    assert b"<b>" not in body
    assert len(body) < 300


def test_nothing_of_a_refused_request_reaches_the_emulator_and_no_websocket_does():
    reached, sent = [], []

    async def emulator(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    app = guarded(emulator, door())
    for asked in (scope(path=API), scope(path="/photos"), scope(path=API) | {"type": "websocket"}):
        loops.run(app(asked, None, send))

    assert reached == [API]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body", "websocket.close"]
    assert sent[0]["status"] == 403


def test_an_origin_cannot_be_hidden_behind_a_second_one():
    request = scope("POST", authorization=SIGNATURE, origin="http://127.0.0.1:4566")
    request["headers"].append((b"origin", b"https://evil.example"))

    assert door().refusal(Visitor.of(request)) is not None


def test_a_refusal_in_json_can_be_parsed():
    visitor = Visitor.of(scope(host='"<evil>"', x_amz_target="x"))
    refusal = door().refusal(visitor)
    assert refusal is not None

    assert json.loads(answer(visitor, refusal)[2])["__type"] == "AccessDenied"


@pytest.mark.parametrize(
    ("path", "accept", "shown"),
    [(API, "", "*/*"), (API, "image/webp", "image/webp"), ("/photos/owl.jpg", "", ""), ("/", "text/html", "text/html")],
)
def test_a_request_of_a_deployed_api_that_names_no_type_is_shown_as_one_that_accepts_each(path, accept, shown):
    request = scope(path=path, accept=accept)
    seen = door().admitted(request, Visitor.of(request))
    assert [value.decode() for name, value in seen["headers"] if name == b"accept"] == ([shown] if shown else [])
    assert [header for header in seen["headers"] if header[0] != b"accept"] == [(b"host", b"127.0.0.1:4566")]
