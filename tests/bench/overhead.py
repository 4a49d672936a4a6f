"""The API function by itself: its own time for a search, the size of its package, and how long its import takes."""

import io
import json
import logging
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from chalice.app import Chalice

from chalicelib.api.routes import register_routes
from chalicelib.config import Config
from chalicelib.domain.accounts import Scope, Subscription, Token
from chalicelib.domain.embeddings import QueryVector
from chalicelib.domain.vectors import FileSummary, Hit, VectorQuery
from chalicelib.services.authentication import Authentication
from chalicelib.services.search import SearchService
from infra.package import package
from tests.bench.figures import figure, milliseconds, percentile

ROOT = Path(__file__).parents[2]
# What the Lambda runtime ships: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
RUNTIME_SHIPS = ("boto3/", "botocore/", "s3transfer/", "jmespath/", "dateutil/", "urllib3/", "six")
SEARCHES, IMPORTS = 500, 11
NOW = datetime.now(UTC)
HITS = [
    Hit(
        uuid=f"uuid-{n}",
        file=FileSummary(collection="collection", bucket="bucket", key=f"folder/{n}.jpg", size=n, md5="0" * 32),
        distance=n / 100,
    )
    for n in range(16)
]


class Known:
    """A table that has the token, an embedder and a store that have the answer: what is left is our own time."""

    def token(self, digest: str) -> Token:
        return Token(digest, "id", "account", "bench", Scope.READ, Subscription("pro"), NOW, last_used=NOW)

    def embed_text(self, _: str) -> QueryVector:
        return QueryVector("model", b"\0" * 2048)

    def search(self, _: VectorQuery) -> list[Hit]:
        return HITS


class Services:
    def __init__(self) -> None:
        known: Any = Known()
        self.authentication = Authentication(known, lambda: NOW)
        self.search = SearchService(known, known)
        names = dict.fromkeys(Config.__dataclass_fields__, "")
        self.config = Config(**names | {"public_url": "https://similarix.example"})


def own_time() -> None:
    """From API Gateway's event to the answer: routing, token, validation, presenting, one log line."""
    logging.getLogger("similarix").handlers[0].setStream(io.StringIO())  # type: ignore[attr-defined]
    app, services = Chalice("bench"), Services()
    register_routes(app, lambda: services)  # type: ignore[arg-type, return-value]
    event = {
        "resource": "/api/search",
        "path": "/api/search/",
        "httpMethod": "GET",
        "headers": {"Authorization": "Token smx_" + "a" * 43},
        "multiValueHeaders": {"Authorization": ["Token smx_" + "a" * 43]},
        "multiValueQueryStringParameters": {"query": ["an owl"]},
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {"resourcePath": "/api/search", "httpMethod": "GET", "path": "/live/api/search/"},
        "body": None,
        "isBase64Encoded": False,
    }
    assert len(json.loads(app(event, None)["body"])["result"]["files"]) == 16
    taken = milliseconds(lambda: app(event, None), SEARCHES)
    figure("own_overhead_ms", statistics.median(taken), "ms")
    figure("own_overhead_p95_ms", percentile(taken, 95), "ms")


def package_size() -> None:
    with ZipFile(package().code) as archive:
        sizes = [(entry.filename, entry.file_size) for entry in archive.infolist()]
    own = sum(size for name, size in sizes if not name.startswith(RUNTIME_SHIPS))
    figure("api_package_mb", own / 1e6, "MB")


def import_ratio() -> None:
    """The application's import against that of its two largest parts, in turn, each in a new interpreter."""
    ours, theirs = [], []
    for _ in range(IMPORTS):
        theirs.append(_import_seconds("chalice, boto3"))
        ours.append(_import_seconds("app"))
    figure("api_import_ms", statistics.median(ours) * 1000, "ms")
    figure("api_import_ratio", statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), "x")


def _import_seconds(modules: str) -> float:
    code = f"import time; began = time.perf_counter(); import {modules}; print(time.perf_counter() - began)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    own_time()
    package_size()
    import_ratio()


if __name__ == "__main__":
    main()
