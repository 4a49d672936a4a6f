"""Syncs that need a confirmation, run dry, or are cancelled; and the explanation of why a file is found or not."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller, SampleBucket, error_info, eventually, paused_sync_worker, picture

Sync = Callable[[], dict[str, Any]]
Explain = Callable[[str], dict[str, Any]]
MOST_SAMPLES = sorted(path.name for path in (SAMPLES / "photos").glob("*.jpg"))[:30]


@pytest.fixture
def path(stack: LocalSystem) -> str:
    return f"/api/collections/{stack.collection}"


@pytest.fixture
def explain(api: Caller, path: str) -> Explain:
    return lambda key: api.result("GET", f"{path}/explain/", params={"key": key})


@pytest.mark.usefixtures("without_events")
def test_a_dry_run_reports_the_changes_and_makes_none(api: Caller, bucket: SampleBucket, sync: Sync, path: str) -> None:
    before = sync()
    bucket.put("photos/preview.jpg", picture("cow.jpg"))
    preview = api.result("POST", f"{path}/sync/", json={"dry_run": True})["preview"]
    assert (preview["to_add"], preview["to_update"], preview["to_remove"]) == (1, 0, 0)
    assert preview["complete"] is True
    assert preview["examples"]["to_add"] == ["photos/preview.jpg"]
    assert preview["listed"] == preview["unchanged"] + 1
    assert api.result("GET", f"{path}/")["collection"] == before


@pytest.mark.usefixtures("without_events")
def test_a_sync_that_would_remove_most_files_waits_for_a_confirmation_and_files_that_return_are_indexed(
    api: Caller, bucket: SampleBucket, sync: Sync, path: str
) -> None:
    def status_at_the_end() -> dict[str, Any] | None:
        status = api.result("GET", f"{path}/sync-status/")
        return None if status["status"] == "in_progress" else status

    before = sync()["stats"]
    try:
        for name in MOST_SAMPLES:
            bucket.delete(f"photos/{name}")
        assert api("POST", f"{path}/sync/").status_code == 202
        status = eventually(status_at_the_end)
        assert status is not None
        assert status["status"] == "needs_confirmation"
        assert "confirm_removals" in status["progress"]["reason"]
        assert api.result("GET", f"{path}/")["collection"]["stats"] == before
        assert api("POST", f"{path}/sync/", json={"confirm_removals": True}).status_code == 202
        eventually(lambda: api.result("GET", f"{path}/sync-status/")["status"] == "completed")
        remaining = api.result("GET", f"{path}/")["collection"]["stats"]["total_files"]
        assert remaining == before["total_files"] - len(MOST_SAMPLES)
    finally:
        for name in MOST_SAMPLES:
            bucket.restore(f"photos/{name}", picture(name))
        after = sync()["stats"]
    assert after == before
    name = MOST_SAMPLES[0]
    assert name in api.search_names(name.removesuffix(".jpg").replace("-", " "))


def test_a_sync_in_progress_can_be_cancelled_once(
    api: Caller, aws: Any, stack: LocalSystem, sync: Sync, path: str
) -> None:
    with paused_sync_worker(aws, stack):
        assert api("POST", f"{path}/sync/").status_code == 202
        assert api("DELETE", f"{path}/sync/").status_code == 200
        assert api.result("GET", f"{path}/sync-status/")["status"] == "cancelled"
        error_info(api("DELETE", f"{path}/sync/"), 409)
    assert sync()["sync_status"] == "completed"


@pytest.mark.usefixtures("without_events")
def test_an_indexed_file_is_explained(explain: Explain) -> None:
    explanation = explain("photos/owl.jpg")
    assert explanation["in_bucket"]["exists"]
    assert explanation["in_catalogue"]["state"] == "indexed"
    assert explanation["in_index"]
    assert "searches find it" in explanation["conclusion"]


@pytest.mark.usefixtures("without_events")
def test_an_object_that_no_sync_has_listed_is_explained(explain: Explain, bucket: SampleBucket) -> None:
    bucket.put("photos/not listed +ü.jpg", picture("cow.jpg"))
    explanation = explain("photos/not listed +ü.jpg")
    assert explanation["in_bucket"]["exists"]
    assert explanation["in_catalogue"] is None
    assert not explanation["in_index"]
    assert "sync" in explanation["conclusion"]


@pytest.mark.usefixtures("without_events")
def test_an_object_that_is_no_picture_is_explained(explain: Explain, bucket: SampleBucket, sync: Sync) -> None:
    bucket.put("photos/words.jpg", b"just words")
    sync()
    explanation = explain("photos/words.jpg")
    outcome = explanation["last_outcome"]
    assert (outcome["state"], outcome["reason"]) == ("failed", "not_an_image")
    assert not explanation["in_index"]
    bucket.delete("photos/words.jpg")  # there are no events here: without a sync, later tests would find its record
    sync()


@pytest.mark.usefixtures("without_events")
def test_a_key_outside_the_folder_and_a_key_without_an_object_have_different_explanations(
    explain: Explain, bucket: SampleBucket
) -> None:
    bucket.put("elsewhere/owl.jpg", picture("owl.jpg"))
    outside, missing = explain("elsewhere/owl.jpg"), explain("photos/never-was.jpg")
    assert not outside["in_index"]
    assert not missing["in_bucket"]["exists"]
    assert outside["conclusion"] != missing["conclusion"]
