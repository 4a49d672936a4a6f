"""Files whose object and record differ are found without an event of S3, and indexed as if there had been one."""

from tests.unit.services.harness import Harness


def reconcile(world: Harness) -> int:
    """Returns how many hints were sent, once they have been applied."""
    sent = world.app.reconciliation.send_hints(world.current())
    assert world.work() == []
    return sent


def test_objects_that_were_added_changed_and_removed_without_an_event_are_indexed(world: Harness) -> None:
    world.put("changed.jpg", "removed.jpg", "same.jpg")
    world.sync()
    world.put("new.jpg")
    world.put("changed.jpg", body=b"another picture")
    world.bucket.delete("removed.jpg")
    assert reconcile(world) == 3
    assert world.searchable() == {"changed.jpg", "new.jpg", "same.jpg"}
    assert reconcile(world) == 0


def test_a_file_that_has_failed_and_is_gone_needs_no_hint(world: Harness) -> None:
    world.put("words.jpg", body=b"not a picture")
    world.sync()
    world.bucket.delete("words.jpg")
    assert reconcile(world) == 0
