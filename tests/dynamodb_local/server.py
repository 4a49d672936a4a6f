"""Amazon's DynamoDB Local, in memory on localhost, as a child process.

``lock.json`` is the output of ``python -m infra.maven software.amazon.dynamodb:DynamoDBLocal:3.3.1
com.amazon.ion:ion-java:1.11.9`` with the native library in a list of its own. ion-java is named because the version
that DynamoDB Local requires lacks a method that it calls.
"""

import os
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
from tests.child_server import ChildServer
from tests.java import JAVA_OPTIONS

MAIN_CLASS = "software.amazon.dynamodb.services.local.main.ServerRunner"
LOCK_FILE = Path(__file__).with_name("lock.json")


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
        str(java.command), *JAVA_OPTIONS, f"-Djava.library.path={native}",
        "-cp", os.pathsep.join(map(str, jars)), MAIN_CLASS, "-inMemory", "-port", str(port), "-disableTelemetry",
    ]  # fmt: skip
    client = _client(f"http://{HOST}:{port}")
    name, error = "DynamoDB Local", DynamoDBLocalUnavailable
    with ChildServer(name, error, folder, port, command, lambda: _responds(client)):
        yield client


def second_client(client: Any) -> Any:
    """Return a client of the same DynamoDB that shares nothing with the first."""
    return _client(client.meta.endpoint_url)


def _client(endpoint: str) -> Any:
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="eu-west-1").client(
        "dynamodb", endpoint_url=endpoint, config=Config(proxies={}, retries={"max_attempts": 3})
    )


def _responds(client: Any) -> bool:
    try:
        client.list_tables()
    except (BotoCoreError, ClientError):
        return False
    return True
