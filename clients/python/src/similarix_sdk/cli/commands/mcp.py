"""Serves the tools of the Model Context Protocol."""

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
    client = session_of(context).asynchronous_client()
    server = build_server(client, local_files=not http, writes=writes, version=package_version())
    if http:
        # The SDK refuses other Host and Origin headers there, so that no web page can reach it.
        server.run("streamable-http", host=LOOPBACK, port=port)
    else:
        server.run("stdio")
