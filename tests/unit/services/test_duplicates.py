"""Scans that look for a collection's duplicates: what they find, whatever happens to messages, and what is shown."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.duplicate_groups import GROUP_READ_MAX, SCAN_LEASE, DuplicateGroup, GroupFile, ScanStatus
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.errors import Conflict, Unavailable
from chalicelib.services.duplicates import GROUPS_AT_ONCE, READS_MAX, GroupPage
from tests.fakes.application import services_on
from tests.fakes.embedder import COPY, VARIANT
from tests.fakes.messages import Context
from tests.unit.services.harness import Harness, lost_answer

# By name: a picture in several files, and others.
PICTURES = {
    "owl.jpg": b"an owl",
    "again/owl.jpg": b"an owl",
    "again/owl (1).jpg": b"an owl",
    "small/owl.jpg": b"an owl" + COPY + b"small",
    "marked/owl.jpg": b"an owl" + COPY + b"marked",
    "owl-in-flight.jpg": b"an owl" + VARIANT + b"in flight",
    "pig.jpg": b"a pig with many bytes",
    "again/pig.jpg": b"a pig with many bytes",
    "horse.jpg": b"a horse",
    "small/horse.jpg": b"a horse" + COPY + b"small",
    "sheep.jpg": b"a sheep",
}
OWLS = {"owl.jpg", "again/owl.jpg", "again/owl (1).jpg"}
OWL_COPIES = OWLS | {"small/owl.jpg", "marked/owl.jpg"}


@pytest.fixture
def farm(world: Harness) -> Harness:
    return with_pictures(world)


def with_pictures(world: Harness) -> Harness:
    for name, body in PICTURES.items():
        world.put(name, body=body)
    world.sync()
    return world


def find(world: Harness) -> None:
    world.app.duplicates.start(world.collection)
    assert world.work("duplicates") == []


def page(world: Harness, *tiers: Tier, after: str | None = None, limit: int = 100) -> GroupPage:
    scan, _ = world.app.duplicates.latest(world.collection)
    return world.app.duplicates.page(world.collection, scan, tiers or tuple(Tier), after, limit)


def shown(world: Harness, *tiers: Tier) -> list[tuple[Tier, set[str]]]:
    return [(group.tier, {record.key for record in group.files}) for group in page(world, *tiers).groups]


def status(world: Harness) -> ScanStatus:
    return world.app.duplicates.latest(world.collection)[1]


def test_a_run_finds_the_groups_of_each_tier_the_largest_waste_first(farm: Harness) -> None:
    assert (shown(farm), status(farm)) == ([], ScanStatus.NEVER)
    find(farm)
    assert status(farm) is ScanStatus.COMPLETED
    groups = page(farm).groups
    assert sorted((group.tier, sorted(record.key for record in group.files)) for group in groups) == [
        (Tier.IDENTICAL, sorted(OWLS)),
        (Tier.IDENTICAL, ["again/pig.jpg", "pig.jpg"]),
        (Tier.SAME, sorted(OWL_COPIES)),
        (Tier.SAME, ["horse.jpg", "small/horse.jpg"]),
        (Tier.SIMILAR, sorted(OWL_COPIES | {"owl-in-flight.jpg"})),
    ]
    assert [group.waste for group in groups] == sorted((group.waste for group in groups), reverse=True)
    for group in groups:
        sizes = [record.size for record in group.files]
        assert group.count == len(sizes)
        assert group.waste == sum(sizes) - sizes[0]
        assert sizes[0] == max(sizes)


@pytest.mark.parametrize("tier", list(Tier))
def test_groups_of_one_tier_are_listed_alone(farm: Harness, tier: Tier) -> None:
    find(farm)
    assert shown(farm, tier) == [group for group in shown(farm) if group[0] is tier]


def test_pages_have_each_group_once(farm: Harness) -> None:
    find(farm)
    groups: list[Any] = []
    after: str | None = None
    while True:
        one = page(farm, after=after, limit=1)
        groups += one.groups
        if one.after is None:
            break
        after = one.after
    assert groups == page(farm).groups


def test_one_scan_at_a_time_and_another_one_after_it_has_stopped(farm: Harness) -> None:
    farm.app.duplicates.start(farm.collection)
    assert status(farm) is ScanStatus.RUNNING
    with pytest.raises(Conflict):
        farm.app.duplicates.start(farm.collection)
    farm.clock.pass_by(SCAN_LEASE)
    assert status(farm) is ScanStatus.STOPPED
    farm.app.duplicates.start(farm.collection)
    assert farm.work("duplicates") == []
    assert len(shown(farm)) == 5
    assert len(farm.ports.duplicates.stored_groups) == 1


def test_a_run_whose_message_could_not_be_sent_blocks_no_other(farm: Harness) -> None:
    farm.ports.queues.down = True
    with pytest.raises(ConnectionError):
        farm.app.duplicates.start(farm.collection)
    farm.ports.queues.down = False
    find(farm)
    assert len(shown(farm)) == 5


def test_a_scan_that_has_begun_although_the_answer_was_lost_makes_way_for_another_at_once(farm: Harness) -> None:
    with lost_answer(farm.ports.duplicates, "begin"), pytest.raises(Unavailable):
        farm.app.duplicates.start(farm.collection)
    find(farm)
    assert len(shown(farm)) == 5


def test_the_groups_of_a_run_are_shown_until_the_next_one_has_ended(farm: Harness) -> None:
    find(farm)
    before = shown(farm)
    farm.bucket.delete("again/pig.jpg")
    farm.put("another/horse.jpg", body=b"a horse")
    farm.sync()
    farm.app.duplicates.start(farm.collection)
    assert shown(farm) == [group for group in before if "pig.jpg" not in group[1]]
    farm.work("duplicates")
    assert (Tier.IDENTICAL, {"horse.jpg", "another/horse.jpg"}) in shown(farm)
    assert len(farm.ports.duplicates.stored_groups) == 1, "what was replaced is deleted"


def test_a_file_that_has_changed_since_leaves_its_groups(farm: Harness) -> None:
    find(farm)
    farm.put("again/owl.jpg", body=b"a cow")
    farm.bucket.delete("pig.jpg")
    farm.sync()
    farm.bucket.delete("small/horse.jpg")
    farm.sync()
    groups = {group.tier: group for group in page(farm).groups}
    assert len(page(farm).groups) == 3, "a group of which one file is left is none"
    for tier, left in ((Tier.IDENTICAL, OWLS), (Tier.SAME, OWL_COPIES)):
        group = groups[tier]
        assert {record.key for record in group.files} == left - {"again/owl.jpg"}
        sizes = [record.size for record in group.files]
        assert (group.count, group.waste) == (len(sizes), sum(sizes) - sizes[0])


def test_a_group_of_one_picture_is_none_of_the_tier_once_its_copies_are_gone(farm: Harness) -> None:
    find(farm)
    for name in OWL_COPIES - OWLS:
        farm.bucket.delete(name)
    farm.sync()
    assert [group for group in shown(farm, Tier.SAME) if "owl.jpg" in group[1]] == []


def test_a_page_reads_a_bounded_number_of_groups_that_have_changed_and_the_next_one_goes_on(farm: Harness) -> None:
    find(farm)
    scan, _ = farm.app.duplicates.latest(farm.collection)
    assert scan is not None and scan.served is not None
    stored = farm.ports.duplicates.stored_groups[farm.collection.uuid, scan.served]
    (kept,) = (group for group in stored.values() if group.tier is Tier.SIMILAR)
    stored.clear()
    gone = [DuplicateGroup(f"{n:032}.1", Tier.SAME, (), 2, 10**6) for n in range(GROUPS_AT_ONCE * READS_MAX)]
    stored |= {group.position: group for group in [*gone, kept]}
    first = page(farm)
    assert (list(first.groups), first.after) == ([], gone[-1].position)
    assert len(page(farm, after=first.after).groups) == 1


def test_a_deleted_collection_has_no_run_and_its_worker_stops(farm: Harness) -> None:
    find(farm)
    farm.app.duplicates.start(farm.collection)
    farm.app.deletion.begin(farm.collection)
    assert farm.work() == []
    assert farm.ports.duplicates.scan(farm.collection.uuid) is None
    assert not farm.ports.duplicates.stored_groups


def test_an_export_has_the_groups(farm: Harness) -> None:
    find(farm)
    records = exported(farm)
    assert len(records) == 5
    assert {record["tier"] for record in records} == set(Tier)
    assert {record["collection"] for record in records} == {farm.collection.uuid}


def exported(world: Harness) -> list[Any]:
    """The groups of an export, read a page of one record at a time."""
    position: Any = ("duplicates", "")
    records: list[Any] = []
    while position is not None:
        read = world.app.export.page(world.collection.account, position, 1)
        records += read.records
        position = read.after
    return records


WRITES = ("save", "add_group", "add_files", "finish")
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["work", "work", "again", "crash", "overtake", "change"]), st.integers(1, 6), st.integers(0, 3)
    ),
    max_size=25,
)


@given(ACTIONS)
@settings(max_examples=60, deadline=None)
def test_whatever_happens_to_messages_a_run_finds_the_same(actions: list[tuple[str, int, int]]) -> None:
    """Messages come twice, at once or late, and workers scan out of time or die; then all are delivered."""
    world = with_pictures(Harness())
    calm = with_pictures(Harness())
    find(calm)
    world.app.duplicates.start(world.collection)
    world.sqs.collect()
    in_parts(world)
    delivered = list(world.sqs.waiting)
    removed: set[str] = set()
    for action, time, number in actions:
        if not world.sqs.waiting:
            break
        message = world.sqs.waiting[number % len(world.sqs.waiting)]
        if action == "change":
            removed.add(list(PICTURES)[number])
            world.bucket.delete(list(PICTURES)[number])
            world.start()
            assert world.work("sync", "index") == []
            continue
        if action == "again":  # one that was handled before
            message = delivered[number % len(delivered)]
        if action == "crash":
            world.interleave("duplicates", WRITES[number], die)
            in_parts(world)
        if action == "overtake":  # another worker has the message too, and works while this one is about to write
            world.interleave("duplicates", WRITES[number], partial(world.deliver, message, Context(late_after=time)))
            in_parts(world)
        with suppress(Killed):
            world.deliver(message, Context(late_after=time))
        world.sqs.collect()
        delivered.append(message)
    world.app = services_on(world.ports)
    assert world.work("duplicates") == []
    assert status(world) is ScanStatus.COMPLETED
    if not removed:
        assert [(group.tier, group.waste, group.count) for group in page(world).groups] == [
            (group.tier, group.waste, group.count) for group in page(calm).groups
        ]
        assert shown(world) == shown(calm)
    for tier in Tier:
        in_groups = [key for _, keys in shown(world, tier) for key in keys]
        assert len(in_groups) == len(set(in_groups)), "a file is in one group of a tier"
        assert not removed & set(in_groups)
    assert len(world.ports.duplicates.stored_groups) == 1


class Killed(BaseException):
    """The worker's process has ended."""


def die() -> None:
    raise Killed


def test_a_scan_goes_on_from_where_the_time_ran_out(farm: Harness) -> None:
    farm.app.duplicates.start(farm.collection)
    farm.sqs.collect()
    in_parts(farm)
    invocations = 0
    while farm.sqs.waiting:
        assert farm.deliver(farm.sqs.waiting[0], Context(late_after=1))
        invocations += 1
    assert status(farm) is ScanStatus.COMPLETED
    files, contents = len(PICTURES), len(set(PICTURES.values()))
    assert invocations <= files / 3 + contents + 5, "no part was done twice"
    assert len(shown(farm)) == 5


def test_a_worker_that_was_overtaken_writes_no_group(farm: Harness) -> None:
    farm.app.duplicates.start(farm.collection)
    farm.sqs.collect()
    (message,) = farm.sqs.waiting
    farm.interleave("duplicates", "add_group", lambda: farm.deliver(message))
    assert not farm.deliver(message), "the other worker has acquired the scan"
    assert (status(farm), len(shown(farm))) == (ScanStatus.COMPLETED, 5)


def test_the_store_is_searched_once_for_each_content_however_many_files_there_are(farm: Harness) -> None:
    counted = CountedSearches(farm.ports.vectors)
    farm.app = services_on(replace(farm.ports, vectors=counted))
    find(farm)
    assert counted.searches == len(set(PICTURES.values()))
    farm.put(*(f"more/{number}.jpg" for number in range(40)))
    farm.put(*(f"copies/{number}.jpg" for number in range(40)), body=b"one picture")
    farm.sync()
    counted.searches = 0
    find(farm)
    assert counted.searches == len(set(PICTURES.values())) + 41


class CountedSearches:
    """A vector store that counts its ``searches``."""

    def __init__(self, vectors: Any) -> None:
        self._vectors = vectors
        self.searches = 0

    def __getattr__(self, name: str) -> Any:
        self.searches += name == "search"
        return getattr(self._vectors, name)


def test_of_identical_files_no_more_are_read_than_a_group_has(farm: Harness) -> None:
    farm.app.duplicates.start(farm.collection)
    scan = farm.ports.duplicates.scan(farm.collection.uuid)
    assert scan is not None
    count = 3 * GROUP_READ_MAX
    same = [GroupFile(uuid=f"{n:05}", key=f"{n:05}", md5="0" * 32, size=7, width=1, height=1) for n in range(count)]
    farm.ports.duplicates.add_files(farm.collection.uuid, scan, same)
    counted = CountedFiles(farm.ports.duplicates)
    farm.app.duplicates_worker = replace(farm.app.duplicates_worker, duplicates=counted)
    assert farm.work("duplicates") == []
    assert counted.read <= GROUP_READ_MAX + 3 * len(PICTURES)
    groups = [*farm.ports.duplicates.stored_groups[farm.collection.uuid, scan.generation].values()]
    (group,) = (group for group in groups if group.files[0].size == 7)
    assert (group.tier, group.count, group.waste) == (Tier.IDENTICAL, GROUP_READ_MAX, 7 * (GROUP_READ_MAX - 1))
    assert len(shown(farm)) == 5, "the contents behind it are compared"


class CountedFiles:
    """A store of duplicates that counts the files that are ``read``, one content after the other."""

    def __init__(self, duplicates: Any) -> None:
        self._duplicates = duplicates
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._duplicates, name)

    def files(self, *arguments: Any) -> Iterator[GroupFile]:
        for file in self._duplicates.files(*arguments):
            self.read += 1
            yield file


def test_the_worker_looks_at_the_clock_after_each_content(farm: Harness) -> None:
    farm.app.duplicates.start(farm.collection)
    farm.sqs.collect()
    counted = CountedSearches(farm.ports.vectors)
    farm.app.duplicates_worker = replace(farm.app.duplicates_worker, vectors=counted)
    # It looks once before it reads the files, and once before it compares the contents.
    assert farm.deliver(farm.sqs.waiting[0], Context(late_after=2))
    assert counted.searches == 1
    assert farm.work("duplicates") == []
    assert counted.searches == len(set(PICTURES.values())), "none is compared twice"
    assert len(shown(farm)) == 5


def in_parts(world: Harness) -> None:
    """Let workers look at the clock as often as they can, and read neighbours one by one."""
    small = {"files_at_once": 3, "contents_at_once": 1, "neighbours_at_once": 2}
    world.app.duplicates_worker = replace(world.app.duplicates_worker, **small)


def test_parts_of_any_size_find_the_same(farm: Harness) -> None:
    find(farm)
    before = shown(farm)
    in_parts(farm)
    find(farm)
    assert shown(farm) == before
