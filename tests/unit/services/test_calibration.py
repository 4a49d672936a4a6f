"""Calibrating accounts from their own pictures, on demand and by itself."""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib import workers
from chalicelib.domain.accounts import Account, Subscription
from chalicelib.services.maintenance.calibration import MIN_PICTURES, RETRY_AFTER, SAMPLED_PICTURES, CalibrationRun
from tests.fakes.messages import Context
from tests.unit.services.harness import Harness, no_time, plenty

MODEL = "fake-1+d1"


def calibrate(world: Harness, **options: Any) -> int:
    model, texts = world.app.calibration.embed_texts(["an owl", "a pig"])
    return world.app.calibration.calibrate(world.collection.account, model, texts, **options)


def fill(world: Harness, count: int) -> None:
    world.put(*(f"{number:05}.jpg" for number in range(count)))
    world.sync()


def stored(world: Harness) -> Any:
    return world.ports.calibrations.read(world.collection.account, MODEL)


@pytest.fixture
def world(world: Harness) -> Harness:
    """A world whose account is listed among all."""
    account = Account(world.collection.account, "a shop", Subscription("business"), world.app.now())
    world.ports.accounts.add_account(account)
    return world


@pytest.mark.parametrize("count", [MIN_PICTURES - 1, MIN_PICTURES])
def test_an_account_with_enough_pictures_is_calibrated_by_its_own(world: Harness, count: int) -> None:
    fill(world, count)
    assert calibrate(world) == count
    if count < MIN_PICTURES:
        assert stored(world) is None
    else:
        assert (stored(world).pictures, stored(world).population) == (count, count)


def test_of_many_pictures_a_sample_is_taken(world: Harness) -> None:
    fill(world, SAMPLED_PICTURES + 20)
    assert calibrate(world) == SAMPLED_PICTURES + 20
    assert (stored(world).pictures, stored(world).population) == (SAMPLED_PICTURES, SAMPLED_PICTURES + 20)


def test_of_more_records_than_are_read_the_number_is_estimated(world: Harness) -> None:
    fill(world, 400)
    assert calibrate(world, max_records=200) == 200
    assert stored(world).population == 400


def test_pictures_of_another_model_do_not_count(world: Harness) -> None:
    fill(world, MIN_PICTURES)
    world.embedder.model = "fake-2+d1"
    assert calibrate(world) == 0


def test_an_account_is_calibrated_by_itself_once_and_again_when_its_pictures_have_grown_by_half(
    world: Harness,
) -> None:
    run = world.app.calibration.run
    fill(world, MIN_PICTURES - 1)
    assert run(plenty) == CalibrationRun(calibrated=0, left=False)
    fill(world, MIN_PICTURES + 10)
    assert run(plenty) == CalibrationRun(calibrated=1, left=False)
    assert stored(world).population == MIN_PICTURES + 10
    fill(world, MIN_PICTURES + 39)
    assert run(plenty) == CalibrationRun(calibrated=0, left=False)
    fill(world, MIN_PICTURES + 40)
    assert run(plenty) == CalibrationRun(calibrated=1, left=False)
    assert stored(world).population == MIN_PICTURES + 40


def test_a_run_asks_the_model_for_no_text_where_nothing_is_due(world: Harness) -> None:
    fill(world, MIN_PICTURES)
    world.app.calibration.run(plenty)
    asked = len(world.embedder.texts)
    world.app.calibration.run(plenty)
    assert len(world.embedder.texts) == asked == 1


def test_what_is_left_when_the_time_ends_is_calibrated_by_the_next_run(world: Harness) -> None:
    fill(world, MIN_PICTURES)
    assert world.app.calibration.run(no_time) == CalibrationRun(calibrated=0, left=True)
    assert world.app.calibration.run(plenty) == CalibrationRun(calibrated=1, left=False)


def test_another_model_is_calibrated_anew_once_enough_pictures_have_been_embedded_by_it(world: Harness) -> None:
    fill(world, MIN_PICTURES)
    world.app.calibration.run(plenty)
    world.embedder.model = "fake-2+d1"
    assert world.app.calibration.run(plenty) == CalibrationRun(calibrated=0, left=False)
    world.sync()
    assert world.app.calibration.run(plenty) == CalibrationRun(calibrated=0, left=False)
    world.clock.pass_by(RETRY_AFTER)
    assert world.app.calibration.run(plenty) == CalibrationRun(calibrated=1, left=False)
    assert stored(world) is not None
    assert world.ports.calibrations.read(world.collection.account, "fake-2+d1") is not None


def test_an_account_whose_first_files_have_failed_is_read_once_a_week(world: Harness) -> None:
    world.put(*(f"-/{number}.jpg" for number in range(2 * MIN_PICTURES)), body=b"not a picture")
    fill(world, 2 * MIN_PICTURES)
    reads = CountedReads(world.ports.catalogue)
    world.app.calibration = replace(world.app.calibration, catalogue=reads, max_records=MIN_PICTURES)
    for _ in range(3):
        assert world.app.calibration.run(plenty) == CalibrationRun(calibrated=0, left=False)
    assert reads.count == 1
    world.clock.pass_by(RETRY_AFTER)
    world.app.calibration.run(plenty)
    assert reads.count == 2


class CountedReads:
    """A catalogue whose files were listed so often."""

    def __init__(self, catalogue: Any) -> None:
        self._catalogue = catalogue
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        self.count += name == "chunks"
        return getattr(self._catalogue, name)


def test_a_run_looks_at_the_clock_before_each_account_even_where_none_is_due(world: Harness) -> None:
    fill(world, MIN_PICTURES)
    world.app.calibration.run(plenty)
    assert world.app.calibration.run(no_time) == CalibrationRun(calibrated=0, left=True)


def test_an_account_that_is_being_deleted_is_left_out(world: Harness) -> None:
    fill(world, MIN_PICTURES)
    accounts = world.ports.accounts
    accounts.add_account(replace(accounts.stored[world.collection.account], deleted_at=world.app.now()))
    assert world.app.calibration.run(plenty) == CalibrationRun(calibrated=0, left=False)


def test_the_worker_tells_what_it_has_done(world: Harness) -> None:
    fill(world, MIN_PICTURES)
    context: Any = Context()
    assert workers.calibrate(context, world.app) == {"calibrated": 1, "left": False}
