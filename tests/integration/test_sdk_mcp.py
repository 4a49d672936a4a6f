"""``similarix mcp --http`` as a process: an MCP client reaches it, a web page of another origin does not."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from mcp import Client

from infra.localhost import free_port, listens
from similarix_sdk.cli.exits import Exit
from tests import loops
from tests.child_server import ChildServer
from tests.conftest import ROOT
from tests.fakes.http_api import HttpApi
from tests.unit.sdk.command import Command

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


class NoServer(Exception):
    """It did not start."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("mcp")
    # Nothing listens where the API is said to be: a search fails, and the model reads why.
    environment = (
        f"PYTHONPATH={ROOT / 'clients' / 'python' / 'src'}",
        f"SIMILARIX_URL=http://127.0.0.1:{free_port()}",
        "SIMILARIX_TOKEN=smx_t",
        f"HOME={folder}",
    )
    command = ("env", *environment, sys.executable, "-m", "similarix_sdk", "mcp", "--http", "--port", str(port))
    server = ChildServer("similarix mcp", NoServer, folder, port, command, lambda: listens(port))
    server.start()
    yield f"http://127.0.0.1:{port}/mcp"
    server.stop()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_mcp_client_of_today_and_one_of_before_list_and_call_the_tools(
    url: str, mode: Literal["auto", "legacy"]
) -> None:
    async def run() -> tuple[set[str], str]:
        async with Client(url, mode=mode) as client:
            tools = (await client.list_tools()).tools
            answer = await client.call_tool("search_images", {"picture_file": "/etc/hostname"})
            assert answer.is_error
            return {tool.name for tool in tools}, str(answer.content)

    names, said = loops.run(run())
    assert {"search_images", "similar_images", "get_image", "list_collections", "sync_status"} == names
    assert "reads no files" in said


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "attacker.example"}, 421), ({"Origin": "https://attacker.example"}, 403)],
    ids=["another host", "another origin"],
)
def test_a_web_page_cannot_reach_it_by_a_name_that_leads_here(url: str, headers: dict[str, str], status: int) -> None:
    accept = {"Accept": "application/json, text/event-stream"}
    assert httpx.post(url, json=LIST, headers={**accept, **headers}).status_code == status


def test_only_this_machine_is_listened_to(url: str) -> None:
    port = httpx.URL(url).port
    assert port is not None
    # 127.0.0.2 is this machine too, but not the address that the server has.
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"http://127.0.0.2:{port}/mcp", json=LIST)


def test_a_port_that_is_taken_is_told_in_a_sentence(url: str, tmp_path: Path) -> None:
    command, port = Command(HttpApi(), tmp_path), httpx.URL(url).port
    assert command("mcp", "--http", "--port", port) == Exit.FAILED
    assert command.err.startswith(f"similarix: Port {port} cannot be used") and "--port" in command.err
