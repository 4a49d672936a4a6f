"""S3-compatible servers of different makers that tests run, and how the application reads their buckets."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from chalicelib.adapters.s3.server_requests import SERVER_CLIENT, ServerRequests, server_client
from chalicelib.adapters.s3.server_sources import ServerSources
from chalicelib.adapters.web.connections import CheckedConnections
from chalicelib.domain.storage_servers import AccessKey, ETagMeaning, StorageServer
from chalicelib.domain.web_urls import is_public_or_local
from tests.rclone.server import ACCESS_KEY, SECRET_KEY, RcloneUnavailable, rclone_server
from tests.s3proxy.server import S3ProxyUnavailable, s3proxy_server

SERVERS: dict[str, Callable[[Path], AbstractContextManager[str]]] = {"rclone": rclone_server, "s3proxy": s3proxy_server}


@contextmanager
def storage_server(name: str, folder: Path) -> Iterator[str]:
    """Run a server for the ``with`` block and yield its endpoint; skips the test where this machine cannot."""
    try:
        with SERVERS[name](folder) as endpoint:
            yield endpoint
    except (RcloneUnavailable, S3ProxyUnavailable) as error:
        pytest.skip(str(error))


def owners_client(endpoint: str) -> Any:
    """The client of the buckets' owner, without the checksums that not every server takes."""
    session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name="us-east-1")
    config = SERVER_CLIENT.merge(Config(proxies={}, max_pool_connections=16))
    return session.client("s3", endpoint_url=endpoint, config=config)


def as_stored(endpoint: str) -> StorageServer:
    """A server as a collection names it; its secret is as ``server_sources`` opens it."""
    return StorageServer(endpoint, ACCESS_KEY, SECRET_KEY.encode(), ETagMeaning.OPAQUE)


def server_sources() -> ServerSources:
    """The application's own sources of buckets on servers of this machine; secrets are sealed by nothing."""
    connections = CheckedConnections(is_public_or_local)

    def make(url: str, region: str, key: AccessKey, deadline: float | None) -> Any:
        return server_client(url, region, key, ServerRequests(connections, 20, deadline))

    return ServerSources(lambda account, collection, sealed: sealed.decode(), make)
