"""The door in front of the emulator: which requests reach it, and whose signature it takes.

The emulator answers whoever reaches its port, and functions are processes of this machine: a page of the Web, or
another user's program, could run code here. So the door is in the emulator's process, around all that it serves, and
admits by kind: the deployed API from anywhere, since it has tokens of its own; the sign-in pages of Cognito, which ask
for a password, and its token endpoint, which asks for a code; calls of AWS's APIs that are signed; presigned URLs and
forms; and what a custom resource's function tells CloudFormation, at a path that only it was told. The rest is refused,
the emulator's paths of administration among it.

The names with an underscore belong to the pinned version of the emulator; tests/integration/infra/test_emulator_door.py
fails where another one differs.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from infra.emulator_compression import compressing

HEALTH_PATH = "/_ministack/health"
# Ends in a random UUID, as the URL ends in a signature on AWS:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
_RESOURCE_PATH = re.compile("/_ministack/cfn-response/[0-9a-f-]{36}")
# Of a user pool's domain: https://docs.aws.amazon.com/cognito/latest/developerguide/managed-login-endpoints.html
SIGN_IN_REQUESTS = (
    ("GET", "/oauth2/authorize"),
    ("POST", "/login"),
    ("POST", "/oauth2/token"),
    ("GET", "/logout"),
)
LOCAL_NAMES = ("127.0.0.1", "localhost")  # and below localhost: RFC 6761, section 6.3, has them mean loopback
MAX_TEXT = 100  # of what a refusal repeats

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/,\s]+/\d{8}/[\w-]+/([\w-]+)/aws4_request, ?"
    r"SignedHeaders=([\w;-]+), ?Signature=[0-9a-f]{64}"
)
_HOST = re.compile(r"([a-z0-9.-]+)(?::\d{1,5})?")
_QUERY_SIGNATURE = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
# boto3 presigns so in us-east-1 unless it is told otherwise, and S3 takes it there.
_QUERY_SIGNATURE_2 = ("AWSAccessKeyId", "Signature", "Expires")

# Every call of AWS passes here, so the other headers are left alone.
_DECIDING_HEADERS = frozenset({b"host", b"origin", b"authorization", b"content-type", b"x-amz-target"})

Application = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request may not enter: the code as AWS words it, and a sentence."""

    code: str
    message: str
    status: int = 403


@dataclass(frozen=True, slots=True)
class Visitor:
    """A request before its body is read; ``headers`` has all values of each name that decides, in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, list[str]]

    @classmethod
    def of(cls, scope: Any) -> "Visitor":
        """The request that an ASGI server describes."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:  # whose names are in lower case: https://asgi.readthedocs.io
            if name in _DECIDING_HEADERS:
                headers.setdefault(name.decode(), []).append(value.decode("latin-1"))
        query = scope.get("query_string", b"")
        parsed = parse_qs(query.decode("latin-1"), keep_blank_values=True) if query else {}
        return cls(scope["method"], scope["path"], parsed, headers)

    def header(self, name: str) -> str:
        """Its value; empty where there is none."""
        return ", ".join(self.headers.get(name, ()))

    @property
    def is_presigned(self) -> bool:
        """Whether it has one complete signature for S3 in its query, and none in its header."""
        if self._has_signed_header:
            return False
        if any(len(self.query.get(name, ())) != 1 for name in _QUERY_SIGNATURE):
            return all(len(self.query.get(name, ())) == 1 for name in _QUERY_SIGNATURE_2)
        credential = self.query["X-Amz-Credential"][0].split("/")
        return self.query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"] and len(credential) == 5 and credential[3] == "s3"

    @property
    def is_of_any_page(self) -> bool:
        """Whether pages of every origin send such requests to S3: by a presigned URL, by a form, or before these."""
        return self.method == "OPTIONS" or self.is_presigned or self.is_form

    @property
    def is_form(self) -> bool:
        """Whether it is a POST to S3 whose signature is a field of its form, and not in its header."""
        is_multipart = self.header("content-type").startswith("multipart/form-data")
        return self.method == "POST" and is_multipart and not self._has_signed_header

    @property
    def has_needless_token(self) -> bool:
        """Whether it names another authorization beside S3's, as of a client that followed the API's redirect here."""
        return "authorization" in self.headers and (self.is_presigned or self.is_form)

    @property
    def _has_signed_header(self) -> bool:
        return self.header("authorization").startswith("AWS")

    @property
    def is_signed(self) -> bool:
        """Whether it has a complete signature in its header, which covers the host and the target."""
        match = _SIGNED.fullmatch(self.header("authorization"))
        if match is None:
            return False
        needed = {"host"} | ({"x-amz-target"} & self.headers.keys())
        return needed <= set(match[2].split(";"))

    @property
    def is_from_custom_resource(self) -> bool:
        """Whether it tells CloudFormation what became of a custom resource."""
        return self.method == "PUT" and _RESOURCE_PATH.fullmatch(self.path) is not None

    @property
    def is_sign_in(self) -> bool:
        return (self.method, self.path) in SIGN_IN_REQUESTS

    @property
    def is_health_check(self) -> bool:
        return self.method == "GET" and self.path == HEALTH_PATH


class Door:
    """Decides who enters, by functions of the host and the path.

    Args:
        is_deployed_api: whether they belong to an API that was deployed here.
        is_in_bucket: whether they name a bucket that exists, or something in it.
    """

    def __init__(self, is_deployed_api: Callable[[str, str], bool], is_in_bucket: Callable[[str, str], bool]) -> None:
        self._is_deployed_api = is_deployed_api
        self._is_in_bucket = is_in_bucket

    def admitted(self, scope: Any, visitor: Visitor) -> Any:
        """What the emulator is shown of a request that enters.

        A request that names no type accepts each (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1), and so do an
        API's binary types ``*/*``; the emulator would answer Java's and Go's clients with a picture's base64. S3 is on
        another host on AWS, so no client sends the API's token there. Beside one, the emulator would not
        verify a signature in the query if the request is for another service.
        """
        if self._is_deployed_api(visitor.header("host").lower(), visitor.path):
            has_accept = any(name == b"accept" for name, _ in scope["headers"])
            return scope if has_accept else scope | {"headers": [*scope["headers"], (b"accept", b"*/*")]}
        if not visitor.has_needless_token:
            return scope
        return scope | {"headers": [header for header in scope["headers"] if header[0] != b"authorization"]}

    def refusal(self, visitor: Visitor) -> Refusal | None:
        """Why a request does not enter; None if it does. Signatures are the emulator's to verify."""
        host = visitor.header("host").lower()
        if not is_local(host):
            # A name of somebody's that was made to mean this machine: https://en.wikipedia.org/wiki/DNS_rebinding
            return Refusal("AccessDenied", f"{host[:MAX_TEXT]!r} is no name of this machine: use {LOCAL_NAMES[0]}.")
        if self._is_deployed_api(host, visitor.path):
            return None
        if visitor.is_of_any_page and self._is_in_bucket(host, visitor.path):
            return None  # the bucket's own CORS configuration says which page may read the response
        origin = visitor.header("origin")
        if origin and origin.lower() != f"http://{host}":
            return Refusal("AccessDenied", f"Pages of {origin[:MAX_TEXT]!r} may not call AWS's APIs here.")
        if visitor.is_health_check or visitor.is_from_custom_resource or visitor.is_sign_in:
            return None
        if _is_administration(visitor.path):
            return _ADMINISTRATION
        if not (visitor.is_signed or visitor.is_presigned):
            return Refusal(
                "MissingAuthenticationToken",
                "The request has no AWS Signature Version 4. The access key is in the folder's stack.json.",
            )
        return None


_ADMINISTRATION = Refusal("AccessDenied", "The emulator is administered by 'make run' alone.")


def is_local(host: str) -> bool:
    """Whether a ``Host`` header, in lower case, names this machine: by loopback's address, localhost, or below it."""
    match = _HOST.fullmatch(host)
    return match is not None and (match[1] in LOCAL_NAMES or match[1].endswith(".localhost"))


def _is_administration(path: str) -> bool:
    # No bucket's name begins with an underscore, and no AWS API has such a path. A second one answers without it.
    return path.startswith("/_") or path == "/health"


def answer(visitor: Visitor, refusal: Refusal) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of a refusal, in the words of the protocol that the caller speaks."""
    content_type = visitor.header("content-type")
    if "x-amz-target" in visitor.headers or "json" in content_type:
        kind, body = "application/json", json.dumps({"__type": refusal.code, "message": refusal.message})
    else:
        error = f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
        is_query = content_type.startswith("application/x-www-form-urlencoded")
        kind, body = "application/xml", f"<ErrorResponse>{error}</ErrorResponse>" if is_query else error
    sent = body.encode() if visitor.method != "HEAD" else b""
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(sent)).encode())]
    # The body is not read, so that the connection cannot be used again.
    return refusal.status, [*headers, (b"connection", b"close")], sent


def attach_door() -> None:
    """Put the door around the emulator; its last wrapper, so that nothing comes before it."""
    # The emulator reads its settings when it is imported.
    from ministack import app  # noqa: PLC0415

    def is_deployed_api(host: str, path: str) -> bool:
        by_path = app._parse_execute_api_url(host, path) is not None
        return by_path or app._resolve_custom_domain_request(host, path) is not None

    def is_in_bucket(host: str, path: str) -> bool:
        return app._s3_cors_target(host, path) is not None

    door = Door(is_deployed_api, is_in_bucket)
    app.app = guarded(compressing(app.app, is_deployed_api), door)
    # The host below which S3 looks for a bucket's name.
    app._MINISTACK_HOST = "localhost"


def guarded(app: Application, door: Door) -> Application:
    """An ASGI application that only those reach whom the door lets in; WebSockets, which nothing here uses, never."""

    async def respond(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        else:
            visitor = Visitor.of(scope)
            refusal = door.refusal(visitor)
            if refusal is None:
                await app(door.admitted(scope, visitor), receive, send)
                return
            status, headers, body = answer(visitor, refusal)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return respond


def verify_root() -> None:
    """Have the emulator verify the root's signature as it verifies that of everybody else.

    By itself it takes a request for the root's that only names its access key, and takes every number of twelve digits
    for the root's key of the account of that number, whatever the signature.
    """
    from ministack.core import iam_evaluator  # noqa: PLC0415
    from ministack.services import sts  # noqa: PLC0415

    def is_root_key(access_key: str) -> bool:
        # None is the form's, whose signature S3 reads from its fields, and an API's whose methods ask for no signature.
        return access_key in ("", os.environ["AWS_ACCESS_KEY_ID"])

    iam_evaluator.is_root_access_key = sts.is_root_access_key = is_root_key
    iam_evaluator._is_root_key = lambda _: False  # whose signature need not be verified
