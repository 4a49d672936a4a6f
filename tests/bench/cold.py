"""``make bench SUITE=cold``: what a function takes from its start to its first answer, and which step takes how long.

The functions run as on Lambda: the full packages, AWS's runtime interface client, a folder that cannot be written. The
tables, the embedder and its queue are the local system's, so that a first request has its connections; OpenSearch is a
server that finds nothing, because the package has no other store. Starts without bytecode, with it, and from between
the hooks of a snapshot are measured in turns. First, fifty callers search the local system at once, with texts of
their own: when it has just started, and again.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
from infra.workers import Function as Row
from tests.bench.figures import figure
from tests.bench.load.callers import measure_first_burst
from tests.lambda_runtime import SITE_PACKAGES, SNAP_START, Function, link_runtime, sqs_event

ROUNDS = 7
CALLERS = 50  # of searches at once
PICTURE = Path(__file__).parents[2] / "samples" / "photos" / "owl.jpg"
SEARCH_RESULT = {
    "took": 1,
    "count": 0,
    "timed_out": False,
    "hits": {"total": {"value": 0, "relation": "eq"}, "hits": []},
}
STEPS = ("import", "dynamodb", "lambda", "opensearch", "first_read", "second_read")
# The steps of a first search, and of a first vector, each timed in one process.
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


EMBEDDER_STEPS = ("numpy", "handler", "onnxruntime", "text_model", "vision_model", "first_vector")
EMBEDDER_STEP_BY_STEP = """
import json, time
times = [time.process_time()]
def end_step():
    times.append(time.process_time())
import numpy
end_step()
from embedder_container import handler
model = handler._embedder().model
end_step()
import onnxruntime
end_step()
model.load_text()
end_step()
model.load_vision()
end_step()
model.embed_text("an owl")
end_step()
print(json.dumps([later - earlier for earlier, later in zip(times, times[1:])]))
"""


class Start(NamedTuple):
    """Seconds from a function's start until it is initialized, and from an event to the answer: the first, a later.

    Of a restored function the first has what follows the restoration, which Lambda's own part comes before.
    """

    ready: float
    first: float
    later: float

    @property
    def waited(self) -> float:
        """What a caller waits for."""
        return self.ready + self.first


class Code(NamedTuple):
    """The folders of a function's code, without bytecode and with it."""

    sources: Path
    bytecode: Path


@dataclass(frozen=True, slots=True)
class Case:
    """A function and the event that it is started for."""

    name: str
    row: Row
    handler: str
    code: Code
    paths: list[Path]
    environment: Mapping[str, str]
    event: dict[str, Any]
    has_snapshot: bool = False

    def start(self, folder: Path) -> Start:
        function = Function(self.handler, folder, self.paths, self.environment, self.row.timeout)
        try:
            ready = function.ready_seconds()
            return Start(ready, *(_seconds(lambda: self._invoke(function)) for _ in range(2)))
        finally:
            function.close()

    def restore(self) -> Start:
        """As after a restoration: nobody waits for what was done before it."""
        environment = {**self.environment, **SNAP_START}
        function = Function(self.handler, self.code.bytecode, self.paths, environment, self.row.timeout)

        def first() -> None:
            function.restore()
            self._invoke(function)

        try:
            function.ready_seconds()
            return Start(0.0, _seconds(first), _seconds(lambda: self._invoke(function)))
        finally:
            function.close()

    def _invoke(self, function: Function) -> None:
        answer = function.invoke(self.event)
        assert answer.get("statusCode", 200) == 200, f"{answer}\n{function.close()}"
        assert not answer.get("batchItemFailures"), f"{answer}\n{function.close()}"


def main() -> None:
    with tempfile.TemporaryDirectory() as name, _local_system(Path(name)) as (system, environment):
        folder = Path(name)
        for kind in ("first", "warm"):
            burst = measure_first_burst(system, CALLERS)
            burst.print_times(f"searches_{CALLERS}_{kind}")
            figure(f"searches_{CALLERS}_{kind}_slowest_ms", max(burst.seconds, default=0.0) * 1000, "ms")
        runtime = link_runtime(_made(folder / "runtime"))
        api = _unpacked(package().code, folder / "api")
        embedder = _unpacked(zip_embedder("lite", out=_made(folder / "archive")), folder / "embedder")
        for case in (*_of_application(api, runtime, environment, system.token), *_of_embedder(embedder)):
            _compare(case)
        _print_steps("step", STEPS, STEP_BY_STEP, api.bytecode, runtime, environment)
        _print_steps(
            "embedder_step", EMBEDDER_STEPS, EMBEDDER_STEP_BY_STEP, embedder.bytecode, SITE_PACKAGES, {"MODEL": "lite"}
        )
        _print_imports(api.bytecode, runtime, environment)


def _of_application(code: Code, runtime: Path, environment: Mapping[str, str], token: str) -> Iterator[Case]:
    def case(name: str, handler: str, event: dict[str, Any], *, has_snapshot: bool) -> Case:
        return Case(name, API, handler, code, [runtime], environment, event, has_snapshot)

    search = _request("/api/search", {"Authorization": f"Token {token}"}, {"query": ["an owl"]})
    yield case("search", "app.app", search, has_snapshot=True)
    yield case("page", "app.app", _request("/sign-in", {"Accept": "text/html"}), has_snapshot=True)
    yield case("worker", "app.events_worker", _s3_event(), has_snapshot=False)


def _of_embedder(code: Code) -> Iterator[Case]:
    picture = base64.b64encode(PICTURE.read_bytes()).decode()
    for name, event in (
        ("text", {"op": "embed_texts", "texts": ["an owl"]}),
        ("picture", {"op": "embed_image", "image": picture}),
    ):
        handler = "embedder_container.handler.handler"
        yield Case(name, EMBEDDER, handler, code, [SITE_PACKAGES], {"MODEL": "lite"}, event)


def _compare(case: Case) -> None:
    """In turns, so that what else the machine does meets all alike."""
    starts: dict[str, Callable[[], Start]] = {
        "sources": lambda: case.start(case.code.sources),
        "bytecode": lambda: case.start(case.code.bytecode),
    }
    if case.has_snapshot:
        starts["restored"] = case.restore
    measured: dict[str, list[Start]] = {kind: [] for kind in starts}
    for _ in range(ROUNDS):
        for kind, start in starts.items():
            measured[kind].append(start())
    for kind, found in measured.items():
        for part in ("ready", "first", "later", "waited"):
            value = statistics.median(getattr(each, part) for each in found)
            figure(f"{case.name}_{kind}_{part}_ms", value * 1000, "ms")
        if kind != "sources":
            pairs = zip(found, measured["sources"], strict=True)
            figure(f"{case.name}_{kind}_to_sources", statistics.median(a.waited / b.waited for a, b in pairs), "x")


def _seconds(act: Callable[[], object]) -> float:
    started = perf_counter()
    act()
    return perf_counter() - started


def _print_steps(
    prefix: str, names: Sequence[str], script: str, folder: Path, runtime: Path, environment: Mapping[str, str]
) -> None:
    """Processor time of the steps of a script, which prints the seconds of each."""
    rounds = [json.loads(_python(script, folder, runtime, environment).stdout) for _ in range(ROUNDS)]
    for name, values in zip(names, zip(*rounds, strict=True), strict=True):
        figure(f"{prefix}_{name}_ms", statistics.median(values) * 1000, "ms")


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
    store = _Store()
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


class _Store(ThreadingHTTPServer):
    """OpenSearch without a vector in it, as far as a search asks it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _EmptyAnswers)

    def handle_error(self, *_: Any) -> None:
        """A function that is ended leaves its connection."""


class _EmptyAnswers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        lines = self.rfile.read(int(self.headers["Content-Length"] or 0)).splitlines()
        is_several = self.path.partition("?")[0].endswith("/_msearch")
        body = json.dumps({"responses": [SEARCH_RESULT] * (len(lines) // 2)} if is_several else SEARCH_RESULT).encode()
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
    return sqs_event({"Records": [record]})


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
