"""The API on fakes behind HTTP: what a client of ``httpx`` talks to in the process of its test."""

import base64
import io
import re
from urllib.parse import parse_qs

import httpx
from multipart import MultipartParser, parse_options_header

from chalicelib.domain.embeddings import ReadFailure
from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.fakes.buckets import SCHEME
from tests.isolation import WIDEST_SCOPE

BASE_URL = "https://api.example/live"


class HttpApi(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The API, its managed bucket, and servers on the Web, whose bodies, or redirects, a test puts into ``web``.

    Keeps ``requests``, all that it was sent, in their order. ``failures`` are answered first: responses, or errors of
    the connection that are raised.
    """

    def __init__(self) -> None:
        self.ports = FakeAdapters.fresh()
        self.services = services_on(self.ports)
        self.api = FakeApi(self.services)
        self.token = self.api.open_account("a shop")[WIDEST_SCOPE]
        self.requests: list[httpx.Request] = []
        self.failures: list[httpx.Response | httpx.TransportError] = []
        self.web: dict[str, bytes | str] = {}
        specific = sorted((path for path in self.api.app.routes if "+" not in path), key=lambda path: path.count("{"))
        self._routes = [(path, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path) + "/?")) for path in specific]

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._answer(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, httpx.TransportError):
                raise failure
            return failure
        url = str(request.url)
        if url.startswith(SCHEME):
            return self._answer_of_s3(request)
        if not url.startswith(BASE_URL):
            found = self.web.get(url)
            if isinstance(found, str):
                return httpx.Response(302, headers={"Location": found})
            return httpx.Response(404) if found is None else httpx.Response(200, content=found)
        return self._answer_of_the_api(request)

    def _answer_of_the_api(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/live")
        found = ((route, pattern.fullmatch(path)) for route, pattern in self._routes)
        route, parameters = next(
            ((route, match.groupdict()) for route, match in found if match), ("/{proxy+}", {"proxy": path.strip("/")})
        )
        response = self.api.send(
            request.method,
            route,
            path=parameters,
            query=parse_qs(request.url.query.decode(), keep_blank_values=True),
            headers=dict(request.headers),
            body=request.content,
        )
        raw = response["body"]
        body = base64.b64decode(raw) if response.get("isBase64Encoded") else raw.encode()
        return httpx.Response(response["statusCode"], headers=response["headers"], content=body)

    def _answer_of_s3(self, request: httpx.Request) -> httpx.Response:
        sources = self.ports.sources
        if request.method == "GET":
            body = sources.fetch(str(request.url))
            return (
                httpx.Response(404)
                if body is None or isinstance(body, ReadFailure)
                else httpx.Response(200, content=body)
            )
        boundary = parse_options_header(request.headers["content-type"])[1]["boundary"]
        parts = {part.name: part for part in MultipartParser(io.BytesIO(request.content), boundary)}
        assert list(parts)[-1] == "file", "S3 ignores what follows the file"
        file = parts["file"].raw
        if len(file) != int(parts["size"].value):
            return httpx.Response(400, text="<Error><Code>EntityTooLarge</Code><Message>Too large</Message></Error>")
        bucket = sources.bucket(request.url.host)
        bucket.put(parts["key"].value, file)
        return httpx.Response(204)
