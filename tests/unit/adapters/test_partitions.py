"""A first sync of a million objects does not write more to a partition than DynamoDB takes.

The whole million is in `make stress SUITE=partitions`; the load does not depend on how long it lasts.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.dynamodb.images import image_to_item
from chalicelib.adapters.dynamodb.pace import WritePace, item_bytes, transaction_units
from chalicelib.adapters.dynamodb.records import record_to_item
from chalicelib.domain.files import new_thumbnail_key
from infra.template import read_template
from infra.workers import WORKERS
from tests.factories import NOW, a_collection, a_record, an_embedding
from tests.stress.partitions.simulation import AIM, PARTITION_UNITS, WINDOW_SECONDS, Timeline, sync_load

OBJECTS = 6_000
UNITS = read_template()["Parameters"]["CollectionWriteUnits"]["Default"]
INDEX_WORKERS = sum(row.max_concurrency for row in WORKERS if row.paces_writes)
FAST_BATCH, CLIP_BATCH = 0.2, 16 / 34  # seconds; a small model, and CLIP at 20 pictures a second and processor


@pytest.mark.parametrize("over_plan", [False, True])
@pytest.mark.parametrize("seconds_per_batch", [FAST_BATCH, CLIP_BATCH])
def test_no_partition_gets_more_than_four_fifths_of_what_it_takes(seconds_per_batch: float, over_plan: bool) -> None:
    load = sync_load(
        OBJECTS, workers=INDEX_WORKERS, units=UNITS, seconds_per_batch=seconds_per_batch, over_plan=over_plan
    )
    assert load.seconds > 10
    for name in load.names:
        assert load.busiest(name, WINDOW_SECONDS) <= AIM, name
        assert load.busiest(name) <= PARTITION_UNITS, name


def test_sixteen_key_ranges_in_which_everything_has_changed_are_in_partitions_of_their_own() -> None:
    load = sync_load(24_000, workers=INDEX_WORKERS, units=UNITS, seconds_per_batch=CLIP_BATCH, key_ranges=16)
    assert 0 < load.busiest("syncs") <= AIM
    assert 0 < load.busiest("catalogue", WINDOW_SECONDS) <= AIM


def test_without_a_pace_index_workers_of_a_small_model_write_more_than_a_partition_takes() -> None:
    load = sync_load(OBJECTS, workers=INDEX_WORKERS, units=None, seconds_per_batch=FAST_BATCH)
    assert load.busiest("catalogue", WINDOW_SECONDS) > PARTITION_UNITS


def test_every_worker_whose_writes_are_paced_has_a_limit_of_concurrency() -> None:
    assert INDEX_WORKERS * UNITS <= AIM


@given(st.lists(st.integers(1, 400), min_size=1, max_size=40))
def test_writes_wait_until_what_was_given_before_has_had_its_time(writes: list[int]) -> None:
    clock = Timeline(0.0)
    pace = WritePace(100, clock.sleep, clock.now)
    for number, units in enumerate(writes):
        pace.wait("one", units)
        assert clock.seconds == pytest.approx(sum(writes[:number]) / 100)


def test_partitions_do_not_wait_for_each_other_and_a_pause_is_not_saved_up() -> None:
    clock = Timeline(0.0)
    pace = WritePace(100, clock.sleep, clock.now)
    pace.wait("one", 200)
    pace.wait("other", 200)
    assert clock.seconds == 0
    clock.sleep(60)
    pace.wait("one", 200)
    pace.wait("one", 200)
    assert clock.seconds == 62


def test_a_process_that_writes_to_many_partitions_forgets_those_that_are_free() -> None:
    clock = Timeline(0.0)
    pace = WritePace(100, clock.sleep, clock.now)
    for number in range(5_000):
        pace.wait(f"collection {number}", 100)
        clock.sleep(2)
    assert len(pace._free_at) <= 1_001


def test_a_record_takes_two_units_in_a_transaction_and_its_image_three_outside_one() -> None:
    record = a_record(a_collection(), "2026/summer holidays/IMG_0001.jpg", embedding=an_embedding())
    assert transaction_units(record_to_item(record)) == 2
    assert 2 * 1024 < item_bytes(image_to_item(record, NOW)) <= 3 * 1024


def test_a_record_has_240_bytes_so_that_a_sync_reads_seventeen_for_a_unit() -> None:
    record = a_record(a_collection(), "2026/summer holidays/IMG_0001.jpg", metadata={}, version=1_790_000_000_000)
    record = replace(record, thumbnail=new_thumbnail_key(record.uuid))
    assert item_bytes(record_to_item(record)) <= 240
