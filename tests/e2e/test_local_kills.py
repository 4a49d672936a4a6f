"""A local system that was killed under load is whole again after the next start. Twenty kills: ``make stress``."""

import pytest

from tests.stress.local.__main__ import run


@pytest.mark.timeout(600)
def test_a_system_whose_machine_ended_under_load_is_whole_after_the_next_start():
    (stopped,) = run(kills=1, seed=1, targets=("the machine",))

    assert stopped.faults == []
    assert "answered within two seconds before may be missing" in stopped.message
