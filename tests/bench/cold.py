"""``make bench SUITE=cold``: what a function takes from its start to its first answer, and which step takes how long.

The functions run as on Lambda: the full packages, AWS's runtime interface client, a folder that cannot be written. The
tables, the embedder and its queue are the local system's, so that a first request has its connections; OpenSearch is a
server that finds nothing, because the package has no other store. With and without bytecode are measured in turns.
"""

import base64
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple
from zipfile import ZipFile

from infra.bytecode import compiled
from infra.embedder import zip_embedder
from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from infra.package import package
from infra.workers import API, EMBEDDER
from tests.bench.figures import figure
from tests.lambda_runtime import SITE_PACKAGES, Function, link_runtime

ROUNDS = 7
PICTURE = Path(__file__).parents[2] / "samples" / "photos" / "owl.jpg"
SEARCH_RESULT = {"took": 1, "timed_out": False, "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []}}
STEPS = ("import", "dynamodb", "lambda", "opensearch", "first_read", "second_read")
# The steps of a first search, each timed in one process.
STEP_BY_STEP = """
import json, time
times = [time.process_time()]
def end_step():
    times.append(time.process_time())
import app
services = app.services()
end_step()
client = services.adapters._dynamodb
end_step()
services.adapters.embedder
end_step()
services.search
end_step()
for _ in range(2):
    client.get_item(TableName=services.config.tables.accounts, Key={"pk": {"S": "none"}, "sk": {"S": "none"}})
    end_step()
print(json.dumps([later - earlier for earlier, later in zip(times, times[1:])]))
"""


class Start(NamedTuple):
    """Seconds from a function's start until it is initialized, and from an event to the answer: the first, a later."""

    ready: float
    first: float
    later: float


class Code(NamedTuple):
    """The folders of a function's code, without bytecode and with it."""

    sources: Path
    bytecode: Path


def main() -> None:
    with tempfile.TemporaryDirectory() as name, _local_system(Path(name)) as (system, environment):
        folder = Path(name)
        runtime = link_runtime(_made(folder / "runtime"))
        api = _unpacked(package().code, folder / "api")
        header = {"Authorization": f"Token {system.token}"}
        search = _request("/api/search", headers=header, query={"query": ["an owl"]})
        page = _request("/sign-in", headers={"Accept": "text/html"})
        message = _s3_event()
        starts: list[tuple[str, str, Code, list[Path], Mapping[str, str], dict[str, Any], int]] = [
            ("api_search", "app.app", api, [runtime], environment, search, API.timeout),
            ("api_page", "app.app", api, [runtime], environment, page, API.timeout),
            ("worker", "app.events_worker", api, [runtime], environment, message, API.timeout),
        ]
        embedder = _unpacked(zip_embedder("lite", out=_made(folder / "archive")), folder / "embedder")
        picture = base64.b64encode(PICTURE.read_bytes()).decode()
        for kind, event in (
            ("text", {"op": "embed_texts", "texts": ["an owl"]}),
            ("picture", {"op": "embed_image", "image": picture}),
        ):
            handler = "embedder_container.handler.handler"
            model = {"MODEL": "lite"}
            starts.append((f"embedder_{kind}", handler, embedder, [SITE_PACKAGES], model, event, EMBEDDER.timeout))
        for name, handler, code, paths, variables, event, seconds in starts:
            _compare(
                name, {kind: getattr(code, kind) for kind in code._fields}, handler, paths, variables, event, seconds
            )
        _print_steps(api.bytecode, runtime, environment)
        _print_imports(api.bytecode, runtime, environment)


def _compare(
    name: str,
    folders: Mapping[str, Path],
    handler: str,
    paths: list[Path],
    environment: Mapping[str, str],
    event: dict[str, Any],
    seconds: int,
) -> None:
    """In turns, so that what else the machine does meets all alike."""
    measured: dict[str, list[Start]] = {kind: [] for kind in folders}
    for _ in range(ROUNDS):
        for kind, folder in folders.items():
            measured[kind].append(_start(handler, folder, paths, environment, event, seconds))
    totals = {}
    for kind, starts in measured.items():
        ready, first, later = (statistics.median(values) for values in zip(*starts, strict=True))
        totals[kind] = statistics.median(start.ready + start.first for start in starts)
        figure(f"{name}_{kind}_ready_ms", ready * 1000, "ms")
        figure(f"{name}_{kind}_first_ms", first * 1000, "ms")
        figure(f"{name}_{kind}_later_ms", later * 1000, "ms")
    figure(f"{name}_bytecode_ratio", totals["bytecode"] / totals["sources"], "x")


def _start(
    handler: str, folder: Path, paths: list[Path], environment: Mapping[str, str], event: dict[str, Any], seconds: int
) -> Start:
    function = Function(handler, folder, paths, environment, seconds)
    try:
        ready = function.ready_seconds()
        first, later = _seconds(lambda: _invoke(function, event)), _seconds(lambda: _invoke(function, event))
    finally:
        function.close()
    return Start(ready, first, later)


def _invoke(function: Function, event: dict[str, Any]) -> None:
    answer = function.invoke(event)
    assert answer.get("statusCode", 200) == 200, f"{answer}\n{function.close()}"
    assert not answer.get("batchItemFailures"), f"{answer}\n{function.close()}"


def _seconds(act: Callable[[], object]) -> float:
    started = perf_counter()
    act()
    return perf_counter() - started


def _print_steps(folder: Path, runtime: Path, environment: Mapping[str, str]) -> None:
    """Processor time of the steps of a first search."""
    rounds = [json.loads(_python(STEP_BY_STEP, folder, runtime, environment).stdout) for _ in range(ROUNDS)]
    for name, values in zip(STEPS, zip(*rounds, strict=True), strict=True):
        figure(f"step_{name}_ms", statistics.median(values) * 1000, "ms")


def _print_imports(folder: Path, runtime: Path, environment: Mapping[str, str]) -> None:
    """Each package's share of the import of app.py, as the interpreter times it."""
    log = _python("import app", folder, runtime, environment, "-X", "importtime").stderr
    shares: Counter[str] = Counter()
    for own, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", log, re.M):
        package_name = name.partition(".")[0]
        is_ours = package_name in ("app", "chalicelib", "chalice", "botocore", "boto3", "aws_lambda_powertools")
        shares[package_name if is_ours else "others"] += int(own)
    for package_name, microseconds in shares.most_common():
        figure(f"import_{package_name}_percent", 100 * microseconds / shares.total(), "%")


def _python(
    code: str, folder: Path, runtime: Path, environment: Mapping[str, str], *options: str
) -> "subprocess.CompletedProcess[str]":
    paths = f"import sys; sys.path[:0] = {[str(folder), str(runtime)]!r}\n"
    return subprocess.run(
        [sys.executable, "-S", *options, "-c", paths + code],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_NAME": "similarix-api", **environment},
        capture_output=True,
        text=True,
        check=True,
    )


@contextmanager
def _local_system(folder: Path) -> Iterator[tuple[LocalSystem, dict[str, str]]]:
    """The local system, and the environment of its API's function with a store that finds nothing."""
    store = ThreadingHTTPServer(("127.0.0.1", 0), _EmptyStore)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    with Emulator(_made(folder / "emulator"), free_port()) as emulator:
        system = bring_up(emulator, lambda line: print(line, flush=True))
        client = emulator.session().client("lambda", endpoint_url=emulator.endpoint)
        function = client.get_function_configuration(FunctionName=system.outputs["APIHandlerName"])
        yield (
            system,
            {
                **function["Environment"]["Variables"],
                "VECTOR_STORE": "opensearch",
                "OPENSEARCH_ENDPOINT": f"http://127.0.0.1:{store.server_port}",
                "OPENSEARCH_SIGNING": "",
                "AWS_ENDPOINT_URL": emulator.endpoint,
                "AWS_REGION": system.region,
                "AWS_DEFAULT_REGION": system.region,
                "AWS_ACCESS_KEY_ID": system.aws_access_key_id,
                "AWS_SECRET_ACCESS_KEY": system.aws_secret_access_key,
            },
        )
    store.shutdown()


class _EmptyStore(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = json.dumps(SEARCH_RESULT).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def _unpacked(archive: Path, folder: Path) -> Code:
    """An archive's sources, and beside them the same with the bytecode of this interpreter, which runs both."""
    code = Code(folder / "sources", folder / "bytecode")
    ZipFile(archive).extractall(code.sources)
    for cache in list(code.sources.rglob("__pycache__")):
        shutil.rmtree(cache)
    shutil.copytree(code.sources, code.bytecode)
    modules = {str(path.relative_to(code.sources)): path.read_bytes() for path in code.sources.rglob("*.py")}
    for name, content in compiled(modules, Path(sys.executable)).items():
        (code.bytecode / name).parent.mkdir(exist_ok=True)
        (code.bytecode / name).write_bytes(content)
    return code


def _request(path: str, headers: Mapping[str, str], query: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """An event of API Gateway."""
    return {
        "httpMethod": "GET",
        "path": path,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": query,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {
            "resourcePath": path,
            "path": path,
            "httpMethod": "GET",
            "requestId": "request",
            "identity": {"sourceIp": "127.0.0.1"},
            "domainName": "api.example",
        },
    }


def _s3_event() -> dict[str, Any]:
    """A message of a bucket that belongs to no collection: one query, and nothing to do."""
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": {"bucket": {"name": "strangers"}, "object": {"key": "a.jpg", "sequencer": "0A"}},
    }
    attributes = {"SentTimestamp": "1767225600000", "ApproximateReceiveCount": "1"}
    message = {
        "messageId": "message",
        "receiptHandle": "receipt",
        "body": json.dumps({"Records": [record]}),
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:similarix-events",
    }
    return {"Records": [message]}


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
