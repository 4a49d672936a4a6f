"""Duplicates over HTTP: pictures that were sent twice, recompressed and resized are found, listed and folded."""

import io
from collections.abc import Callable
from typing import Any

from PIL import Image

from infra.local_system import LocalSystem
from tests.e2e.harness import Caller, ManagedCollection, eventually, picture


def resized(body: bytes, share: float) -> bytes:
    """The picture, smaller and recompressed."""
    with Image.open(io.BytesIO(body)) as image:
        width, height = (round(side * share) for side in image.size)
        target = io.BytesIO()
        image.resize((width, height), Image.Resampling.LANCZOS).save(target, "JPEG", quality=60)
    return target.getvalue()


def groups(managed: ManagedCollection, **query: str) -> dict[str, list[str]]:
    """The names of each listed group's files by its tier."""
    listed = managed.caller.result("GET", f"{managed.path}/duplicates/", params=query)["groups"]
    return {group["tier"]: sorted(file["file_name"] for file in group["files"]) for group in listed}


def scan_and_wait(managed: ManagedCollection, number: int) -> None:
    started = managed.caller("POST", f"{managed.path}/duplicates/")
    assert started.status_code == 202, started.text

    def has_ended() -> bool:
        info = managed.caller("GET", f"{managed.path}/duplicates/").json()["info"]
        return bool(info["status"] == "completed" and info["files_read"] == number)

    eventually(has_ended)


def test_copies_are_found_listed_and_folded_and_gone_with_their_collection(
    new_account: Callable[..., Caller], stack: LocalSystem, aws: Callable[[str], Any]
) -> None:
    managed, owl = ManagedCollection(new_account()), picture("owl.jpg")
    bodies = {"owl.jpg": owl, "again.jpg": owl, "small.jpg": resized(owl, 0.5), "pig.jpg": picture("pig.jpg")}
    for name, body in bodies.items():
        # The same bytes under another name are another file.
        assert managed.upload(name, body).status_code == 201

    scan_and_wait(managed, len(bodies))
    assert groups(managed) == {
        "identical": ["again.jpg", "owl.jpg"],
        "same": ["again.jpg", "owl.jpg", "small.jpg"],
    }
    assert set(groups(managed, tier="same")) == {"same"}

    query = {"query": "an owl", "limit": 10, "fold_duplicates": "true"}
    found = managed.caller.result("GET", "/api/search/", params=query)["files"]
    assert [file["duplicates"]["count"] for file in found] == [2, 0]
    names = {file["uuid"]: name for name, file in managed.files().items()}
    shown = {names[uuid] for file in found for uuid in (file["uuid"], *file["duplicates"]["files"])}
    assert shown == set(bodies)

    small = managed.files()["small.jpg"]["uuid"]
    assert managed.caller("DELETE", f"/api/files/{small}/").status_code == 200
    assert groups(managed) == {"identical": ["again.jpg", "owl.jpg"]}
    scan_and_wait(managed, len(bodies) - 1)
    assert groups(managed) == {"identical": ["again.jpg", "owl.jpg"]}

    assert managed.caller("DELETE", f"{managed.path}/").status_code == 202
    table = stack.outputs["SyncsTableName"]
    scan = {"sync": {"S": f"duplicates#{managed.uuid}"}, "item": {"S": "scan"}}
    eventually(lambda: "Item" not in aws("dynamodb").get_item(TableName=table, Key=scan))
