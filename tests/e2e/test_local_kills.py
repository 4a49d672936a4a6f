"""A local system that is killed under load is whole again after the next start. Twenty kills: ``make stress``."""

import pytest

from tests.stress.local.__main__ import run


@pytest.mark.timeout(600)
def test_a_system_that_was_killed_under_load_is_whole_after_the_next_start():
    kills = run(kills=2, seed=1, targets=("everything", "the machine"))

    assert [kill.faults for kill in kills] == [[], []]
    killed, stopped = kills
    assert "no change that was answered is missing" in killed.message
    assert "answered within two seconds before may be missing" in stopped.message
