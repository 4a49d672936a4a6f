"""What a run says of the one before it that did not stop by itself."""

from datetime import UTC, datetime

from infra.folder_lock import Recovery
from infra.recovery import loss_message

AT = datetime(2026, 3, 1, 14, 3, 7, tzinfo=UTC)


def test_killed_processes_lose_nothing_that_was_answered():
    assert (
        loss_message(Recovery.PROCESSES, AT)
        == "The last run was killed at 14:03:07 on 01 March: no change that was answered is missing."
    )


def test_a_stopped_machine_may_lose_two_seconds():
    assert (
        loss_message(Recovery.MACHINE, AT)
        == "The machine stopped during the last run at 14:03:07 on 01 March: changes that were answered within two "
        "seconds before may be missing."
    )


def test_an_unknown_time_is_left_out():
    assert "last run: " in loss_message(Recovery.MACHINE, None)
