"""No image is deleted that a record names or comes to name, in whatever order workers and the cleaning take turns."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import workers
from chalicelib.services.maintenance.orphaned_images import ORPHAN_MIN_AGE
from tests.model.scheduler import Worker
from tests.model.world import World

KEYS = ("b/1", "z")
ACTORS = ("deliver", "upload", "put", "delete", "purge", "renewal", "cleaning")
TURNS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 12)), min_size=5, max_size=30)  # whose, and how long


@pytest.fixture(autouse=True, scope="module")
def no_worker_logs() -> Iterator[None]:
    level = workers.logger.log_level
    workers.logger.setLevel("CRITICAL")
    yield
    workers.logger.setLevel(level)


def with_orphans(*, earlier: bool) -> World:
    """Two indexed objects; of both, and of a third, a worker has stored an image and no record.

    Args:
        earlier: the records are of an earlier version, and a renewal has ended before it could write the first one.
    """
    world = World()
    for key in KEYS:
        world.put(key, b"one", 1)
    world.rest()
    if earlier:
        world.keep_as_earlier()
        run_to(world.start_renewal(), "before renew").kill()
    for key in (*KEYS, "c/\uff5e"):
        world.put(key, b"two", 1)
        world.deliver(len(world.messages) - 1).run()  # the event, which becomes a change
        world.reap()
        run_to(world.deliver(len(world.messages) - 1), "before save_all").kill()
    world.reap()
    return world


def run_to(worker: Worker, at: str) -> Worker:
    while worker.running and worker.at != at:
        worker.step()
    return worker


def start(world: World, actor: str, key: str) -> Worker | None:
    if actor == "deliver":
        return world.deliver(0, more=9) if world.messages else None
    if actor == "upload":
        world.put(key, b"six", 0)
        return world.upload(key)
    if actor == "put":
        world.put(key, b"one", 1)
        return world.deliver(len(world.messages) - 1)
    if actor == "delete":
        world.delete(key, 1)
        return world.deliver(len(world.messages) - 1) if world.messages else None
    return {"purge": world.start_purge, "renewal": world.start_renewal, "cleaning": world.start_cleaning}[actor]()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(ACTORS), st.sampled_from([*KEYS, "c/\uff5e"])), min_size=1, max_size=4),
    TURNS,
    st.booleans(),
    st.booleans(),
)
def test_each_record_has_its_image_at_each_moment_and_no_other_image_is_left_at_the_end(
    actors: list[tuple[str, str]], turns: list[tuple[int, int]], earlier: bool, waits: bool
) -> None:
    world = with_orphans(earlier=earlier)
    if waits:
        world.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))
    running = [world.start_cleaning(), *(start(world, actor, key) for actor, key in actors)]
    present = [worker for worker in running if worker is not None]
    for turn, calls in turns:
        present[turn % len(present)].step(calls)
    for worker in present:
        worker.run()
    world.reap()
    world.rest()
    world.start_renewal().run()
    world.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))
    world.start_cleaning().run()
    world.reap()
    world.check_no_orphans()
    world.check_images()


def test_an_image_is_kept_for_as_long_as_a_message_may_need_it_and_deleted_afterwards() -> None:
    world = with_orphans(earlier=False)
    left = set(world.catalogue.images)
    world.clock.pass_by(ORPHAN_MIN_AGE)
    world.start_cleaning().run()
    assert set(world.catalogue.images) == left
    world.clock.pass_by(timedelta(seconds=1))
    world.start_cleaning().run()
    world.reap()
    assert len(left) - len(world.catalogue.images) == 3
    world.check_no_orphans()


def test_an_image_that_a_renewal_stores_again_after_it_was_found_stays() -> None:
    world = with_orphans(earlier=True)
    world.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))
    cleaning = run_to(world.start_cleaning(), "before delete_orphan")
    renewal = run_to(world.start_renewal(), "before renew")
    cleaning.run()
    renewal.run()
    world.reap()
    world.check_images()


def test_a_cleaning_that_is_stopped_goes_on_where_its_last_page_ended() -> None:
    world = with_orphans(earlier=False)
    world.clock.pass_by(ORPHAN_MIN_AGE + timedelta(seconds=1))
    images = world.services.orphaned_images
    first = images.find_page(None)
    images.delete(first)
    page = images.find_page(first.after)
    while page.after is not None:
        images.delete(page)
        page = images.find_page(page.after)
    images.delete(page)
    world.check_no_orphans()
