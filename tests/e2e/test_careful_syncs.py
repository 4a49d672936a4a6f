"""Syncs that ask first, only say what they would do, or are called off; and why an object is, or is not, found."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.conftest import Bucket, Caller, eventually, picture

Sync = Callable[[], dict[str, Any]]
LEAVING = sorted(path.name for path in (SAMPLES / "photos").glob("*.jpg"))[:30]


@pytest.fixture
def path(stack: LocalSystem) -> str:
    return f"/api/collections/{stack.collection}"


@pytest.mark.usefixtures("quiet")
def test_a_dry_run_says_what_would_be_done_and_does_nothing(api: Caller, bucket: Bucket, sync: Sync, path: str) -> None:
    before = sync()
    bucket.put("photos/preview.jpg", picture("cow.jpg"))
    shown = api.result("POST", f"{path}/sync/", json={"dry_run": True})["preview"]
    assert (shown["to_add"], shown["to_update"], shown["to_remove"], shown["complete"]) == (1, 0, 0, True)
    assert shown["examples"]["to_add"] == ["photos/preview.jpg"]
    assert shown["listed"] == shown["unchanged"] + 1
    assert api.result("GET", f"{path}/")["collection"] == before


@pytest.mark.usefixtures("quiet")
def test_a_sync_that_would_remove_most_of_a_collection_asks_first_and_a_return_brings_all_back(
    api: Caller, bucket: Bucket, sync: Sync, path: str
) -> None:
    before = sync()["stats"]
    try:
        for name in LEAVING:
            bucket.delete(f"photos/{name}")
        assert api("POST", f"{path}/sync/").status_code == 202
        status = eventually(lambda: (now := api.result("GET", f"{path}/sync-status/")) and _ended(now))
        assert status["status"] == "needs_confirmation"
        assert "confirm_removals" in status["progress"]["reason"]
        assert api.result("GET", f"{path}/")["collection"]["stats"] == before
        assert api("POST", f"{path}/sync/", json={"confirm_removals": True}).status_code == 202
        eventually(lambda: api.result("GET", f"{path}/sync-status/")["status"] == "completed")
        left = api.result("GET", f"{path}/")["collection"]["stats"]["total_files"]
        assert left == before["total_files"] - len(LEAVING)
    finally:
        for name in LEAVING:
            bucket.restore(f"photos/{name}", picture(name))
        after = sync()["stats"]
    assert after == before
    assert LEAVING[0] in api.names_found(LEAVING[0].removesuffix(".jpg").replace("-", " "))


def test_a_sync_that_runs_is_called_off_once(api: Caller, aws: Any, stack: LocalSystem, sync: Sync, path: str) -> None:
    functions = aws("lambda")
    source = functions.list_event_source_mappings(FunctionName=stack.outputs["SyncWorkerName"])
    worker = source["EventSourceMappings"][0]["UUID"]
    functions.update_event_source_mapping(UUID=worker, Enabled=False)
    try:
        assert api("POST", f"{path}/sync/").status_code == 202
        assert api("DELETE", f"{path}/sync/").status_code == 200
        assert api.result("GET", f"{path}/sync-status/")["status"] == "cancelled"
        assert api("DELETE", f"{path}/sync/").status_code == 409
    finally:
        functions.update_event_source_mapping(UUID=worker, Enabled=True)
    assert sync()["sync_status"] == "completed"


@pytest.mark.usefixtures("quiet")
class TestWhyIsThis:
    @pytest.fixture
    def explain(self, api: Caller, path: str) -> Callable[[str], dict[str, Any]]:
        return lambda key: api.result("GET", f"{path}/explain/", params={"key": key})

    def test_indexed(self, explain: Any) -> None:
        told = explain("photos/owl.jpg")
        assert told["in_bucket"]["exists"]
        assert told["in_catalogue"]["state"] == "indexed"
        assert told["in_index"]
        assert "searches find it" in told["conclusion"]

    def test_not_known_yet(self, explain: Any, bucket: Bucket) -> None:
        bucket.put("photos/unheard of +ü.jpg", picture("cow.jpg"))
        told = explain("photos/unheard of +ü.jpg")
        assert (told["in_bucket"]["exists"], told["in_catalogue"], told["in_index"]) == (True, None, False)
        assert "sync" in told["conclusion"]

    def test_not_a_picture(self, explain: Any, bucket: Bucket, sync: Sync) -> None:
        bucket.put("photos/words.jpg", b"just words")
        sync()
        told = explain("photos/words.jpg")
        assert (told["last_outcome"]["state"], told["last_outcome"]["reason"]) == ("failed", "not_an_image")
        assert not told["in_index"]
        bucket.delete("photos/words.jpg")  # nobody is told here: without a sync the next tests would find its record
        sync()

    def test_outside_the_folder_or_nowhere(self, explain: Any, bucket: Bucket) -> None:
        bucket.put("elsewhere/owl.jpg", picture("owl.jpg"))
        outside, nowhere = explain("elsewhere/owl.jpg"), explain("photos/never-was.jpg")
        assert not outside["in_index"]
        assert not nowhere["in_bucket"]["exists"]
        assert outside["conclusion"] != nowhere["conclusion"]


def _ended(status: dict[str, Any]) -> dict[str, Any] | None:
    return status if status["status"] != "in_progress" else None
