"""An S3 server that shares no code with the emulator or with rclone: S3Proxy, in Java, on a folder.

https://github.com/gaul/s3proxy serves jclouds' stores by S3's API. It verifies signatures, and heeds conditions. It
lists by the UTF-16 of keys, as Java compares them: U+1F600 before U+FF5E, which S3 lists after it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.java import find_java
from infra.localhost import HOST, free_port
from infra.maven import MavenError, fetch, read_lock
from tests.child_server import ChildServer
from tests.java import JAVA_OPTIONS
from tests.rclone.server import ACCESS_KEY, SECRET_KEY, responds, s3_client

LOCK_FILE = Path(__file__).with_name("lock.json")


class S3ProxyUnavailable(Exception):
    """S3Proxy cannot run on this machine; the message says why."""


@contextmanager
def s3proxy_server(folder: Path) -> Iterator[str]:
    """Serve a folder for the ``with`` block and yield the server's endpoint.

    Raises:
        S3ProxyUnavailable: there is no Java, the archive cannot be fetched, or it did not start in time.
    """
    try:
        java, (archive,) = find_java(), fetch(read_lock(LOCK_FILE)["lib"])
    except (MavenError, ImportError, OSError) as error:
        raise S3ProxyUnavailable(f"S3Proxy cannot be fetched: {error}") from error
    port, buckets, settings = free_port(), folder / "buckets", folder / "s3proxy.conf"
    buckets.mkdir()
    settings.write_text(
        f"s3proxy.endpoint=http://{HOST}:{port}\n"
        f"s3proxy.authorization=aws-v2-or-v4\ns3proxy.identity={ACCESS_KEY}\ns3proxy.credential={SECRET_KEY}\n"
        f"jclouds.provider=filesystem-nio2\njclouds.identity={ACCESS_KEY}\njclouds.credential={SECRET_KEY}\n"
        f"jclouds.filesystem.basedir={buckets}\n"
    )
    command = [str(java.command), *JAVA_OPTIONS, "-Xmx256m", "-jar", str(archive), "--properties", str(settings)]
    client = s3_client(f"http://{HOST}:{port}")
    with ChildServer("S3Proxy", S3ProxyUnavailable, folder, port, command, lambda: responds(client)) as server:
        yield server.endpoint
