"""The MCP server's tools, called by the SDK's own client in one process."""

import base64
import io
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from mcp import Client as McpClient
from PIL import Image

from chalicelib.domain.accounts import Scope
from similarix_sdk import Client
from similarix_sdk.mcp_server import build_server
from tests import loops
from tests.fakes.http_api import HttpApi
from tests.unit.sdk.conftest import async_client


class Model:
    """What a program with a language model calls."""

    def __init__(self, http_api: HttpApi) -> None:
        self.http_api = http_api
        self.token: str | None = None
        self.options = {"local_files": True, "writes": False}

    def ask(self, question: Callable[[McpClient], Coroutine[Any, Any, Any]]) -> Any:
        async def run() -> Any:
            server = build_server(async_client(self.http_api, [], token=self.token), **self.options)
            async with McpClient(server) as client:
                return await question(client)

        return loops.run(run())

    def __call__(self, tool: str, **arguments: Any) -> Any:
        """The structured result of a tool."""
        answer = self.ask(lambda client: client.call_tool(tool, arguments))
        assert not answer.is_error, answer.content
        content = answer.structured_content
        return content["result"] if set(content) == {"result"} else content

    def refusal(self, tool: str, **arguments: Any) -> str:
        """What the model reads where a tool fails."""
        answer = self.ask(lambda client: client.call_tool(tool, arguments))
        assert answer.is_error
        return str(answer.content[0].text)


@pytest.fixture
def model(http_api: HttpApi) -> Model:
    return Model(http_api)


@pytest.fixture
def red() -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(body, "PNG")
    return body.getvalue()


def test_every_tool_only_reads_unless_writes_are_wanted(model: Model) -> None:
    tools = model.ask(lambda client: client.list_tools()).tools
    assert {tool.name for tool in tools} == {
        "search_images",
        "similar_images",
        "get_image",
        "list_collections",
        "sync_status",
    }
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
    described = [field for tool in tools for field in tool.input_schema["properties"].values()]
    assert all(field.get("description") for field in described)
    model.options["writes"] = True
    tools = model.ask(lambda client: client.list_tools()).tools
    assert [tool.name for tool in tools if not tool.annotations.read_only_hint] == ["start_sync"]


def test_pictures_are_found_by_text_by_picture_and_by_what_they_meet(
    model: Model, client: Client, collection: str, red: bytes
) -> None:
    red_uuid = client.uploads.send(collection, red, path="2024/red.png", metadata={"color": "red"}).uuid
    client.uploads.send(collection, b"a cow", path="2025/cow.jpg")
    found = model("search_images", text="anything")
    assert {file["path"] for file in found} == {"2024/red.png", "2025/cow.jpg"}
    encoded = base64.b64encode(red).decode()
    for picture in (encoded, f"data:image/png;base64,{encoded}"):
        (nearest,) = model("search_images", picture=picture, limit=1)
        assert (nearest["uuid"], nearest["distance"], nearest["collection"]) == (red_uuid, 0.0, collection)
        assert nearest["metadata"] == {"color": "red"}
    filtered = model("search_images", text="x", without=["y"], filter={"path": "2025/"}, collections=[collection])
    assert [file["file_name"] for file in filtered] == ["cow.jpg"]
    assert [file["path"] for file in model("similar_images", uuid=red_uuid)] == ["2025/cow.jpg"]


def test_a_local_picture_is_searched_by_and_no_other_file_leaves_the_machine(
    model: Model, client: Client, collection: str, red: bytes, tmp_path: Path
) -> None:
    client.uploads.send(collection, red, path="red.png")
    picture, words = tmp_path / "red.png", tmp_path / "secret"
    picture.write_bytes(red)
    words.write_text("a secret")
    (nearest,) = model("search_images", picture_file=str(picture), limit=1)
    assert nearest["distance"] == 0.0
    model.http_api.requests.clear()
    assert model.refusal("search_images", picture_file=str(words)).endswith("picture_file is no picture.")
    assert "No such file" in model.refusal("search_images", picture_file=str(tmp_path / "no"))
    model.options["local_files"] = False
    assert "reads no files" in model.refusal("search_images", picture_file=str(picture))
    assert model.http_api.requests == []


def test_a_picture_is_looked_at(model: Model, client: Client, collection: str) -> None:
    uuid = client.uploads.send(collection, b"an owl", path="owl.jpg").uuid
    for arguments in ({"uuid": uuid, "collection": collection}, {"uuid": uuid}):
        answer = model.ask(lambda client, given=arguments: client.call_tool("get_image", {**given, "size": 256}))
        (content,) = answer.content
        assert (content.type, content.mime_type) == ("image", "image/jpeg")
        assert base64.b64decode(content.data).startswith(b"256 pixels of ")


def test_collections_and_syncs_are_shown(model: Model, client: Client, collection: str) -> None:
    client.uploads.send(collection, b"an owl", path="owl.jpg")
    (shown,) = model("list_collections")
    assert (shown["name"], shown["source"], shown["files"], shown["failed"]) == ("n", "managed", 1, 0)
    assert model("sync_status", collection=collection)["status"]


def test_a_token_for_searches_is_enough_for_searches_and_pictures(
    model: Model, client: Client, collection: str
) -> None:
    uuid = client.uploads.send(collection, b"an owl", path="owl.jpg").uuid
    model.token = client.tokens.create("n", Scope.SEARCH).secret
    assert [file["uuid"] for file in model("search_images", text="owl")] == [uuid]
    answer = model.ask(lambda client: client.call_tool("get_image", {"uuid": uuid, "collection": collection}))
    assert answer.content[0].type == "image"
    for tool, arguments in (("list_collections", {}), ("sync_status", {"collection": collection})):
        assert "Sign in with a token" in model.refusal(tool, **arguments)


def test_the_model_reads_what_is_wrong(model: Model, collection: str) -> None:
    assert "Say what to search for" in model.refusal("search_images")
    assert model.refusal("search_images", picture="no base64!").endswith("picture is no base64.")
    assert "colour" in model.refusal("search_images", text="x", filter={"colour": "red"})
    assert "no such file" in model.refusal("similar_images", uuid=collection).lower()
    assert "100" in model.refusal("search_images", text="x", limit=1000)


def test_a_sync_is_started_where_that_is_wanted(model: Model, client: Client) -> None:
    model.http_api.ports.sources.bucket("pictures").put("photos/a.jpg", b"a")
    role = "arn:aws:iam::123456789012:role/similarix-x"
    created = client.collections.connect("pictures", name="n", region="eu-west-1", folder="/photos", role_arn=role)
    model.options["writes"] = True
    assert "Sync triggered" in model("start_sync", collection=created.collection.uuid)
    assert model("sync_status", collection=created.collection.uuid)["status"] == "in_progress"
