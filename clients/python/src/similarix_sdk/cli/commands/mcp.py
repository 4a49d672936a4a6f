"""Serves the tools of the Model Context Protocol."""

import socket
from typing import Annotated

import typer

from similarix_sdk.cli.session import session_of
from similarix_sdk.client import package_version

LOOPBACK = "127.0.0.1"


def register(app: typer.Typer) -> None:
    app.command("mcp")(serve)


def serve(
    context: typer.Context,
    http: Annotated[
        bool, typer.Option("--http", help="Serve Streamable HTTP on this machine, instead of standard input.")
    ] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port, with --http.")] = 8765,
    writes: Annotated[bool, typer.Option("--write", help="Also offer to start syncs.")] = False,
) -> None:
    """Let a program with a language model search your pictures, by the Model Context Protocol.

    The program starts 'similarix mcp' and talks over its standard input and output.

    With --http it connects to http://127.0.0.1:8765/mcp; every program of this machine can do that.

    A token with the scope search is enough for searches and thumbnails: 'similarix tokens create'.
    """
    try:
        from similarix_sdk.mcp_server import build_server  # noqa: PLC0415  # of an extra
    except ImportError as error:
        raise ValueError("This needs more packages: pip install 'similarix-sdk[mcp]'") from error
    session = session_of(context)
    client = session.asynchronous_client()
    server = build_server(client, local_files=not http, writes=writes, version=package_version())
    if http:
        _check_port(port)
        session.output.complain(f"Serving http://{LOOPBACK}:{port}/mcp until Ctrl-C.")
        # The SDK refuses other Host and Origin headers there, so that no web page can reach it.
        server.run("streamable-http", host=LOOPBACK, port=port)
    else:
        server.run("stdio")


def _check_port(port: int) -> None:
    """Raises ValueError for a port that cannot be listened on: the server itself would only log it."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((LOOPBACK, port))
        except OSError as error:
            raise ValueError(f"Port {port} cannot be used ({error.strerror}): choose another one, by --port.") from None
