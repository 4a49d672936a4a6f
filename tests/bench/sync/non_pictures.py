"""What S3 is asked for 1,000 objects of 20 MB that are no pictures, by the code of an earlier commit and by this one's.

The services, the adapter of S3 and the whole embedder run in one process on an S3 of the bench's own, which counts
requests and sent bytes. The earlier code runs in a process of its own, from an extracted commit, on the same server.
The first thousand are films by their names; the names of the others say nothing, and the bytes decide.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from os import environ
from pathlib import Path
from types import SimpleNamespace
from typing import Any

OBJECTS, OBJECT_BYTES = 1_000, 20_000_000
EARLIER_COMMIT = "2de766b"
FOLDERS = {"films": "films/{:04}.mp4", "unnamed": "unnamed/{:04}"}
BLOCK = bytes(256 * 1024)  # what the objects are made of; no picture begins so
ROOT = Path(__file__).resolve().parents[3]


def main() -> None:
    from tests.bench.figures import figure  # not in an earlier commit's process

    with tempfile.TemporaryDirectory() as earlier:
        archive = subprocess.run(["git", "archive", EARLIER_COMMIT], cwd=ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", earlier], input=archive.stdout, check=True)
        for name, folder in FOLDERS.items():
            for when, tree in (("before", earlier), ("after", str(ROOT))):
                with _counting_server(folder) as (endpoint, counts):
                    subprocess.run(
                        [sys.executable, __file__, endpoint],
                        cwd=tree,
                        env=environ | {"PYTHONPATH": tree, "EMBEDDER_THREADS": "1"},
                        check=True,
                    )
                    for kind in ("list", "head", "get"):
                        figure(f"non_pictures_{name}_{when}_{kind}", counts[kind], "requests")
                    figure(f"non_pictures_{name}_{when}_bytes", counts["bytes"], "bytes")


@contextmanager
def _counting_server(folder: str) -> Iterator[tuple[str, Counter[str]]]:
    """Serve the objects of one folder; the counts are complete after the ``with`` block."""
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._count("head")
            self._respond(200, OBJECT_BYTES)

        def do_GET(self) -> None:
            if "list-type=2" in self.path:
                self._count("list")
                listing = _listing(folder).encode()
                self._respond(200, len(listing))
                self.wfile.write(listing)
                return
            self._count("get")
            first, last = 0, OBJECT_BYTES - 1
            requested = self.headers["Range"]
            if requested:
                start, _, end = requested.removeprefix("bytes=").partition("-")
                first, last = int(start), min(int(end or last), last)
            part = {"Content-Range": f"bytes {first}-{last}/{OBJECT_BYTES}"} if requested else {}
            self._respond(206 if requested else 200, last - first + 1, part)
            self._send(last - first + 1)

        def _send(self, left: int) -> None:
            while left > 0:
                block = BLOCK[:left]
                try:
                    self.wfile.write(block)
                except OSError:
                    self.close_connection = True
                    return  # the reader has seen enough
                left -= len(block)
                self._count("bytes", len(block))

        def _respond(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(length), "ETag": '"0"', **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()

        def _count(self, kind: str, amount: int = 1) -> None:
            with lock:
                counts[kind] += amount

        def log_message(self, *_: Any) -> None:
            """Nothing: a line for each request would say no more than the counts."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", counts
    finally:
        server.shutdown()
        server.server_close()


def _listing(folder: str) -> str:
    contents = "".join(
        f"<Contents><Key>{folder.format(number)}</Key><LastModified>2026-11-26T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;0&quot;</ETag><Size>{OBJECT_BYTES}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(OBJECTS)
    )
    namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<ListBucketResult xmlns="{namespace}"><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>'


def sync_once(endpoint: str) -> None:
    """Sync a collection on the server's bucket, with whatever code is on the path."""
    # Imported here: ``main`` never needs them, and an earlier commit's process takes its own.
    import boto3
    from botocore.config import Config

    from chalicelib import workers
    from chalicelib.adapters.embedder.client import LambdaEmbedder
    from chalicelib.adapters.s3.bucket_source import BucketSource
    from embedder_container.handler import embedder_from_settings
    from embedder_container.settings import Settings
    from tests.fakes.application import services_on
    from tests.unit.services.harness import Harness

    workers.logger.setLevel("CRITICAL")
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )
    embedder = embedder_from_settings(Settings.from_environ({**environ, "AWS_ENDPOINT_URL": endpoint}))
    world = Harness()
    sources = SimpleNamespace(of=lambda collection: BucketSource(client, collection.bucket, collection.prefix, None))
    function: Any = SimpleNamespace(invoke=lambda **call: _invoke(embedder, call["Payload"]))
    world.ports = replace(world.ports, sources=sources, embedder=LambdaEmbedder(function, "embedder"))
    world.app = services_on(world.ports)
    with redirect_stdout(StringIO()):  # lines of logs and metrics
        state = world.sync()
    embedder.close()
    assert state.status == "completed" and world.searchable() == set(), state
    print(f"# {state.progress}")


def _invoke(embedder: Any, payload: bytes) -> dict[str, Any]:
    from embedder_container.handler import handle_event

    response = handle_event(json.loads(payload), embedder)
    return {"Payload": StringIO(json.dumps(response))}


if __name__ == "__main__":
    sync_once(*sys.argv[1:])
