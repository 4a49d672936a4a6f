"""The packages run as on Lambda: by its own client, with nothing to write to, no shared memory and no capabilities."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from embedder_container.limits import MAX_JPEG_SCANS
from infra.embedder import zip_embedder
from infra.package import PackagingError, package
from infra.workers import API, EMBEDDER, WORKERS
from tests.embedder.samples import photo
from tests.lambda_runtime import SITE_PACKAGES, SNAP_START, Function, link_runtime, sandboxed, sqs_event, why_no_sandbox
from tests.pictures.costly import jpeg_of_scans
from tests.unit.test_config import ENVIRONMENT

MISSING = why_no_sandbox()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=f"this machine withholds nothing: {MISSING}")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
OPENSEARCH = {"VECTOR_STORE": "opensearch", "OPENSEARCH_ENDPOINT": "https://search.invalid"}
PROBE = """
import json, multiprocessing, os, pathlib
def tried(attempt):
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
print(json.dumps({
    "root": tried(lambda: pathlib.Path("/var/task.txt").write_text("")),
    "shared memory": tried(lambda: pathlib.Path("/dev/shm/file").write_text("")),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
}))
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the modules of Lambda's own Python, and no others."""
    return link_runtime(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def task_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the application's functions, from the full package."""
    try:
        code = package().code
    except PackagingError as error:
        pytest.skip(f"the full package needs PyPI: {str(error).splitlines()[-1]}")
    folder = tmp_path_factory.mktemp("api")
    ZipFile(code).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def api(task_root: Path, runtime: Path) -> Iterator[Function]:
    """The function behind the API."""
    function = Function("app.app", task_root, [runtime], ENVIRONMENT | CREDENTIALS, API.timeout)
    yield function
    function.close()


@pytest.fixture
def restored(task_root: Path, runtime: Path) -> Iterator[Function]:
    """The same, between its snapshot and its restoration; the package has no other store than OpenSearch."""
    variables = ENVIRONMENT | CREDENTIALS | SNAP_START | OPENSEARCH
    function = Function("app.app", task_root, [runtime], variables, API.timeout)
    yield function
    function.close()


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    """The embedder, from its package and the packages that its image installs."""
    task_root = tmp_path_factory.mktemp("embedder")
    ZipFile(zip_embedder("lite", out=tmp_path_factory.mktemp("archive"))).extractall(task_root)
    handler = "embedder_container.handler.handler"
    function = Function(handler, task_root, [SITE_PACKAGES], {"MODEL": "lite"}, EMBEDDER.timeout)
    yield function
    function.close()


def request(path: str, **headers: str) -> dict[str, Any]:
    """An event of API Gateway."""
    return {
        "httpMethod": "GET",
        "path": path,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {"resourcePath": path, "httpMethod": "GET", "requestId": "request"},
    }


def test_nothing_can_be_written_and_no_right_be_had() -> None:
    done = subprocess.run(sandboxed([sys.executable, "-c", PROBE]), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"root": "OSError", "shared memory": "OSError", "capabilities": 0}


def test_the_api_answers_a_request(api: Function) -> None:
    response = api.invoke(request("/api/docs"))
    assert response["statusCode"] == 200
    assert "Similarix" in response["body"]


def test_the_api_refuses_a_request_without_a_token(api: Function) -> None:
    response = api.invoke(request("/api/account"))
    assert response["statusCode"] == 403, api.close()


def test_the_api_answers_after_its_snapshot_was_restored(restored: Function) -> None:
    restored.ready_seconds()
    restored.restore()
    response = restored.invoke(request("/api/docs"))
    assert response["statusCode"] == 200, restored.close()


def test_a_worker_answers_without_the_routes_of_the_api(task_root: Path, runtime: Path) -> None:
    worker = Function("app.events_worker", task_root, [runtime], ENVIRONMENT | CREDENTIALS, WORKERS[0].timeout)
    try:
        # What S3 sends when a bucket is connected: nothing is called for it.
        test_event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"}
        assert worker.invoke(sqs_event(test_event)) == {"batchItemFailures": []}
    finally:
        worker.close()


def test_the_embedder_describes_its_model(embedder: Function) -> None:
    assert embedder.invoke({"op": "describe"})["dimension"] == 512


def test_the_embedder_embeds_a_text_and_a_picture(embedder: Function) -> None:
    (text,) = embedder.invoke({"op": "embed_texts", "texts": ["a bison"]})["results"]
    (picture,) = embedder.invoke({"op": "embed_image", "image": base64.b64encode(photo()).decode()})["results"]
    assert len(base64.b64decode(text["vector"])) == len(base64.b64decode(picture["vector"])) == 4 * 512


def test_a_slow_picture_is_refused_there(embedder: Function) -> None:
    slow = base64.b64encode(jpeg_of_scans(10_480, 10_480, MAX_JPEG_SCANS - 2)).decode()
    (result,) = embedder.invoke({"op": "embed_image", "image": slow})["results"]
    assert result["error"]["code"] == "too_costly"


def test_no_wall_of_the_decoder_is_missing_there(embedder: Function) -> None:
    embedder.invoke({"op": "embed_image", "image": base64.b64encode(photo()).decode()})
    log = embedder.close()
    assert '"op": "embed_image"' in log
    assert "confined without" not in log
    assert "may inspect" not in log
