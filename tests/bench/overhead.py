"""The API function alone: its own time for a search, the size of its package, and the time of its import."""

import io
import json
import logging
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from chalice.app import Chalice

from chalicelib.api.routes import register_routes
from chalicelib.domain.accounts import Scope, Subscription, Token
from chalicelib.domain.embeddings import QueryVector
from chalicelib.domain.vectors import FileSummary, Hit, VectorQuery
from chalicelib.services.authentication import Authentication
from chalicelib.services.search import SearchService
from infra.package import package
from tests.bench.figures import figure, milliseconds, percentile
from tests.fakes.application import CONFIG

ROOT = Path(__file__).parents[2]
# In the Lambda runtime already: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
RUNTIME_PACKAGES = ("boto3/", "botocore/", "s3transfer/", "jmespath/", "dateutil/", "urllib3/", "six")
SEARCHES, IMPORTS = 500, 11  # repetitions
NOW = datetime.now(UTC)
HITS = [
    Hit(
        uuid=f"uuid-{n}",
        file=FileSummary(collection="collection", bucket="bucket", key=f"folder/{n}.jpg", size=n, md5="0" * 32),
        distance=n / 100,
    )
    for n in range(16)
]


class InstantPorts:
    """Accounts, an embedder and a vector store that return constants, so that only our own time is measured."""

    def token(self, digest: str) -> Token:
        return Token(digest, "id", "account", "bench", Scope.READ, Subscription("pro"), NOW, last_used=NOW)

    def embed_texts(self, _account: str, texts: Sequence[str]) -> list[QueryVector]:
        return [QueryVector("model", b"\0" * 2048) for _ in texts]

    def search(self, _: VectorQuery) -> list[Hit]:
        return HITS


class SearchServices:
    """The services that a search needs."""

    def __init__(self) -> None:
        ports: Any = InstantPorts()
        self.authentication = Authentication(ports, lambda: NOW)
        self.search = SearchService(ports, ports, ports)
        self.config = replace(CONFIG, public_url="https://similarix.example")


def measure_own_time() -> None:
    """Measure from API Gateway's event to the response: routing, token, validation, serializing, one log line."""
    logging.getLogger("similarix").handlers[0].setStream(io.StringIO())  # type: ignore[attr-defined]
    app, services = Chalice("bench"), SearchServices()
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
    durations = milliseconds(lambda: app(event, None), SEARCHES)
    figure("own_overhead_ms", statistics.median(durations), "ms")
    figure("own_overhead_p95_ms", percentile(durations, 95), "ms")


def measure_package() -> None:
    with ZipFile(package().code) as archive:
        sizes = [(entry.filename, entry.file_size) for entry in archive.infolist()]
    own = sum(size for name, size in sizes if not name.startswith(RUNTIME_PACKAGES))
    figure("api_package_mb", own / 1e6, "MB")


def measure_import() -> None:
    """Compare the application's import with that of its two largest dependencies, in turns, in new interpreters."""
    application, dependencies = [], []
    for _ in range(IMPORTS):
        dependencies.append(_import_seconds("chalice, boto3"))
        application.append(_import_seconds("app"))
    figure("api_import_ms", statistics.median(application) * 1000, "ms")
    ratios = (ours / theirs for ours, theirs in zip(application, dependencies, strict=True))
    figure("api_import_ratio", statistics.median(ratios), "x")


def _import_seconds(modules: str) -> float:
    code = f"import time; start = time.perf_counter(); import {modules}; print(time.perf_counter() - start)"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(process.stdout)


def main() -> None:
    measure_own_time()
    measure_package()
    measure_import()


if __name__ == "__main__":
    main()
