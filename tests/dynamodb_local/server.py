"""Amazon's own DynamoDB for one machine, in memory on loopback, as a child process.

``lock.json`` is ``python -m infra.maven software.amazon.dynamodb:DynamoDBLocal:3.3.1 com.amazon.ion:ion-java:1.11.9``,
its native library told apart; ion-java is given because the version that DynamoDB Local asks for lacks what it calls.
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

MAIN = "software.amazon.dynamodb.services.local.main.ServerRunner"
LOCK = Path(__file__).with_name("lock.json")
START_SECONDS = 60


class NotToBeHad(Exception):
    """It cannot run on this machine; the message says why."""


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[Any]:
    """A client of a DynamoDB that is there for as long as the ``with`` lasts.

    Raises:
        NotToBeHad: there is no Java, an archive cannot be fetched, or it did not answer in time.
    """
    port = free_port()
    try:
        lock, java = read_lock(LOCK), find_java()
        jars, natives = fetch(lock["lib"]), fetch(lock["native"])
    except (MavenError, ImportError, OSError) as error:
        raise NotToBeHad(f"DynamoDB Local is not to be had on this machine: {error}") from error
    native = folder / "native"
    native.mkdir()
    for library in natives:
        # It is looked for under the name without its version.
        (native / f"{library.name.rpartition('-')[0]}{library.suffix}").write_bytes(library.read_bytes())
    command = [
        str(java.command), f"-Djava.library.path={native}", "-cp", os.pathsep.join(map(str, jars)), MAIN,
        "-inMemory", "-port", str(port), "-disableTelemetry",
    ]  # fmt: skip
    with (folder / "dynamodb.log").open("wb") as log:
        process = subprocess.Popen(
            # Supervised: it ends with the process that started it, however that one ends.
            [sys.executable, "-P", node_process.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    try:
        client = _client(f"http://{HOST}:{port}")
        _wait(client, process, folder / "dynamodb.log")
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def another(client: Any) -> Any:
    """A second client of the same DynamoDB, that shares nothing with the first."""
    return _client(client.meta.endpoint_url)


def _client(endpoint: str) -> Any:
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="eu-west-1").client(
        "dynamodb", endpoint_url=endpoint, config=Config(proxies={}, retries={"max_attempts": 3})
    )


def _wait(client: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.list_tables()
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise NotToBeHad(f"DynamoDB Local did not start: {log.read_text(errors='replace')[-2000:]}")
