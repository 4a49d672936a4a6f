"""Amazon's DynamoDB Local, in memory on localhost, as a child process.

``lock.json`` is the output of ``python -m infra.maven software.amazon.dynamodb:DynamoDBLocal:3.3.1
com.amazon.ion:ion-java:1.11.9`` with the native library in a list of its own. ion-java is named because the version
that DynamoDB Local requires lacks a method that it calls.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.java import find_java
from infra.localhost import HOST, free_port
from infra.maven import MavenError, fetch, read_lock
from infra.opensearch import node_process

MAIN_CLASS = "software.amazon.dynamodb.services.local.main.ServerRunner"
LOCK_FILE = Path(__file__).with_name("lock.json")
START_TIMEOUT_SECONDS = 60


class DynamoDBLocalUnavailable(Exception):
    """DynamoDB Local cannot run on this machine; the message says why."""


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[Any]:
    """Start DynamoDB Local for the ``with`` block and yield a client of it.

    Raises:
        DynamoDBLocalUnavailable: there is no Java, an archive cannot be fetched, or it did not start in time.
    """
    port = free_port()
    try:
        lock, java = read_lock(LOCK_FILE), find_java()
        jars, natives = fetch(lock["lib"]), fetch(lock["native"])
    except (MavenError, ImportError, OSError) as error:
        raise DynamoDBLocalUnavailable(f"DynamoDB Local cannot be fetched: {error}") from error
    native = folder / "native"
    native.mkdir()
    for library in natives:
        # The loader searches for the name without its version.
        (native / f"{library.name.rpartition('-')[0]}{library.suffix}").write_bytes(library.read_bytes())
    command = [
        str(java.command), f"-Djava.library.path={native}", "-cp", os.pathsep.join(map(str, jars)), MAIN_CLASS,
        "-inMemory", "-port", str(port), "-disableTelemetry",
    ]  # fmt: skip
    with (folder / "dynamodb.log").open("wb") as log:
        process = subprocess.Popen(
            # node_process ends the server when the process that started it ends, even by a crash.
            [sys.executable, "-P", node_process.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    try:
        client = _client(f"http://{HOST}:{port}")
        _wait_until_ready(client, process, folder / "dynamodb.log")
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def second_client(client: Any) -> Any:
    """Return a client of the same DynamoDB that shares nothing with the first."""
    return _client(client.meta.endpoint_url)


def _client(endpoint: str) -> Any:
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="eu-west-1").client(
        "dynamodb", endpoint_url=endpoint, config=Config(proxies={}, retries={"max_attempts": 3})
    )


def _wait_until_ready(client: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.list_tables()
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise DynamoDBLocalUnavailable(f"DynamoDB Local did not start: {log.read_text(errors='replace')[-2000:]}")
