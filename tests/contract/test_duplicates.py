"""The contract of every store of duplicates: one suite, run on the fake, the emulator's DynamoDB and DynamoDB Local."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.duplicates import DynamoDBDuplicates
from chalicelib.domain.duplicate_groups import (
    GROUP_CONTENTS_MAX,
    GROUP_FILES_MAX,
    SCAN_LEASE,
    SCAN_LIMIT,
    SCAN_RECORD_RETENTION,
    DuplicateGroup,
    DuplicatesScan,
    GroupFile,
    ScanPhase,
    ScanStatus,
    duplicate_group,
)
from chalicelib.domain.duplicates import Tier
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.messages import DuplicatesStep
from chalicelib.services.ports import Duplicates
from tests.contract.tables import make_table
from tests.factories import AWKWARD_KEYS, NOW
from tests.fakes.duplicates import FakeDuplicates

MD5 = "0123456789abcdef0123456789abcdef"
LATER = NOW + timedelta(minutes=1)


def a_file(key: str, md5: str = MD5, size: int = 10, pixels: int = 100) -> GroupFile:
    return GroupFile(uuid=str(uuid4()), key=key, md5=md5, size=size, width=pixels, height=1)


def a_group(waste: int, tier: Tier = Tier.SAME, leader: str = "a") -> DuplicateGroup:
    return DuplicateGroup(leader, tier, (a_file("one"), a_file("other")), 2, waste)


class DuplicatesContract:
    @pytest.fixture
    def duplicates(self) -> Duplicates:
        raise NotImplementedError

    @pytest.fixture
    def collection(self) -> str:
        return str(uuid4())

    def begun(self, duplicates: Duplicates, collection: str, generation: str = "one") -> DuplicatesScan:
        assert duplicates.begin(collection, generation, NOW)
        scan = duplicates.acquire(DuplicatesStep("account", collection, generation), NOW)
        assert scan is not None
        return scan

    def test_a_collection_has_no_run_before_the_first(self, duplicates: Duplicates, collection: str):
        assert duplicates.scan(collection) is None
        assert not duplicates.delete_page(collection)

    def test_one_run_at_a_time_until_its_lease_ends(self, duplicates: Duplicates, collection: str):
        assert duplicates.begin(collection, "one", NOW)
        assert not duplicates.begin(collection, "other", NOW + SCAN_LEASE - timedelta(seconds=1))
        scan = duplicates.scan(collection)
        assert scan is not None
        assert (scan.generation, scan.phase, scan.after, scan.served) == ("one", ScanPhase.FILES, None, None)
        assert (scan.status_at(NOW), scan.status_at(NOW + SCAN_LEASE)) == (ScanStatus.RUNNING, ScanStatus.STOPPED)
        assert duplicates.begin(collection, "other", NOW + SCAN_LEASE)
        scan = duplicates.scan(collection)
        assert scan is not None
        assert (scan.generation, scan.replaced) == ("other", {"one"})

    def test_a_stopped_run_makes_way_at_once(self, duplicates: Duplicates, collection: str):
        assert duplicates.begin(collection, "one", NOW)
        duplicates.stop(collection, "other", NOW)
        assert not duplicates.begin(collection, "other", NOW)
        duplicates.stop(collection, "one", NOW)
        assert duplicates.begin(collection, "other", NOW)

    def test_a_worker_that_another_one_has_followed_writes_no_more(self, duplicates: Duplicates, collection: str):
        first = self.begun(duplicates, collection)
        second = duplicates.acquire(DuplicatesStep("account", collection, "one"), LATER)
        assert second is not None
        assert second.lease_until == LATER + SCAN_LEASE
        for write in (
            lambda: duplicates.save(collection, first, NOW),
            lambda: duplicates.finish(collection, first, NOW),
            lambda: duplicates.add_group(collection, first, a_group(1), ["a"]),
        ):
            with pytest.raises(StaleWrite):
                write()
        assert duplicates.claimed(collection, second, [(Tier.SAME, "a")]) == set()
        duplicates.save(collection, second, NOW)

    def test_progress_is_what_the_next_worker_begins_with(self, duplicates: Duplicates, collection: str):
        scan = self.begun(duplicates, collection)
        for key in AWKWARD_KEYS:
            duplicates.save(collection, replace(scan, after=key, files=7), NOW)
            saved = duplicates.scan(collection)
            assert saved is not None
            assert (saved.after, saved.files) == (key, 7)
        duplicates.save(collection, replace(scan, phase=ScanPhase.CONTENTS, after=None, files=9), LATER)
        step = DuplicatesStep("account", collection, "one", continuation=3)
        following = duplicates.acquire(step, LATER)
        assert following is not None
        assert (following.phase, following.after, following.files, following.continuation) == (
            ScanPhase.CONTENTS,
            None,
            9,
            3,
        )

    def test_a_message_of_an_earlier_continuation_or_of_another_run_is_ignored(
        self, duplicates: Duplicates, collection: str
    ):
        self.begun(duplicates, collection)
        assert duplicates.acquire(DuplicatesStep("account", collection, "one", 2), NOW) is not None
        assert duplicates.acquire(DuplicatesStep("account", collection, "one", 1), NOW) is None
        assert duplicates.acquire(DuplicatesStep("account", collection, "other", 5), NOW) is None
        assert duplicates.acquire(DuplicatesStep("account", str(uuid4()), "one", 5), NOW) is None
        assert duplicates.acquire(DuplicatesStep("account", collection, "one", 2), NOW + SCAN_LIMIT) is None

    def test_files_are_read_in_the_order_of_their_contents(self, duplicates: Duplicates, collection: str):
        scan = self.begun(duplicates, collection)
        files = [a_file(key, md5=f"{number % 5:032}", size=1 + number % 2) for number, key in enumerate(AWKWARD_KEYS)]
        duplicates.add_files(collection, scan, files)
        duplicates.add_files(collection, scan, files[:3])
        duplicates.add_files(collection, scan, [])
        ordered = sorted(files, key=lambda file: (file.content, file.uuid))
        assert list(duplicates.files(collection, scan, None)) == ordered
        middle = ordered[len(ordered) // 2].content
        assert list(duplicates.files(collection, scan, middle)) == [f for f in ordered if f.content > middle]
        of_middle = [file for file in ordered if file.content == middle]
        assert duplicates.files_of(collection, scan, middle, 100) == of_middle
        assert duplicates.files_of(collection, scan, middle, 1) == of_middle[:1]
        assert duplicates.files_of(collection, scan, "nothing", 5) == []

    def test_a_size_is_not_taken_for_the_beginning_of_a_longer_one(self, duplicates: Duplicates, collection: str):
        scan = self.begun(duplicates, collection)
        short, long = a_file("short", size=10), a_file("long", size=100)
        duplicates.add_files(collection, scan, [short, long])
        assert duplicates.files_of(collection, scan, short.content, 5) == [short]
        assert list(duplicates.files(collection, scan, short.content)) == [long]

    def test_a_group_claims_its_contents_for_its_tier(self, duplicates: Duplicates, collection: str):
        scan = self.begun(duplicates, collection)
        contents = [f"{number:032}.5" for number in range(GROUP_CONTENTS_MAX)]
        duplicates.add_group(collection, scan, a_group(5), contents)
        asked = [(tier, content) for tier in (Tier.SAME, Tier.SIMILAR) for content in ("x.1", *contents)]
        assert duplicates.claimed(collection, scan, asked) == {(Tier.SAME, content) for content in contents}
        assert duplicates.claimed(collection, scan, []) == set()

    def test_groups_are_shown_when_the_run_has_ended_the_largest_waste_first(
        self, duplicates: Duplicates, collection: str
    ):
        scan = self.begun(duplicates, collection)
        files = [a_file(f"{key}", size=10**15, pixels=len(key)) for key in AWKWARD_KEYS]
        groups = [
            a_group(5, leader="b"),
            a_group(5, Tier.SIMILAR),
            duplicate_group(Tier.IDENTICAL, "i", files),
            a_group(5),
            a_group(7),
        ]
        for group in groups:
            duplicates.add_group(collection, scan, group, ())
        assert duplicates.finish(collection, scan, LATER).served == "one"
        ended = duplicates.scan(collection)
        assert ended is not None
        assert (ended.phase, ended.served, ended.finished_at, ended.after) == (ScanPhase.ENDED, "one", LATER, None)
        ordered = sorted(groups, key=lambda group: group.position)
        assert [group.waste for group in ordered] == [(len(AWKWARD_KEYS) - 1) * 10**15, 7, 5, 5, 5]
        assert duplicates.groups(collection, "one", tuple(Tier), None, 10) == ordered
        paged: list[DuplicateGroup] = []
        while page := duplicates.groups(collection, "one", tuple(Tier), paged[-1].position if paged else None, 2):
            paged += page
        assert paged == ordered
        for tier in Tier:
            found = duplicates.groups(collection, "one", (tier,), None, 10)
            assert found == [group for group in ordered if group.tier is tier]
        assert duplicates.groups(collection, "other", tuple(Tier), None, 10) == []

    def test_a_group_of_the_longest_names_is_stored(self, duplicates: Duplicates, collection: str):
        scan = self.begun(duplicates, collection)
        group = duplicate_group(Tier.IDENTICAL, "i", [a_file("\U0001f600" * 256) for _ in range(GROUP_FILES_MAX + 5)])
        duplicates.add_group(collection, scan, group, ())
        (stored,) = duplicates.groups(collection, "one", tuple(Tier), None, 10)
        assert (stored, len(stored.files), stored.count) == (group, GROUP_FILES_MAX, GROUP_FILES_MAX + 5)

    def test_another_run_replaces_the_groups_when_it_has_ended(self, duplicates: Duplicates, collection: str):
        first = self.begun(duplicates, collection)
        for waste in range(5):
            duplicates.add_group(collection, first, a_group(waste), ())
        duplicates.finish(collection, first, NOW)
        second = self.begun(duplicates, collection, "two")
        assert (second.served, second.finished_at) == ("one", NOW)
        duplicates.add_group(collection, second, a_group(9), ())
        assert len(duplicates.groups(collection, "one", tuple(Tier), None, 10)) == 5
        ended = duplicates.finish(collection, second, LATER)
        assert (ended.served, ended.replaced) == ("two", {"one"})
        while duplicates.delete_replaced_page(collection, ended):
            pass
        assert duplicates.groups(collection, "one", tuple(Tier), None, 10) == []
        assert len(duplicates.groups(collection, "two", tuple(Tier), None, 10)) == 1
        scan = duplicates.scan(collection)
        assert scan is not None
        assert scan.replaced == frozenset()

    def test_a_worker_writes_nothing_once_the_deletion_of_its_collection_has_begun(
        self, duplicates: Duplicates, collection: str
    ):
        scan = self.begun(duplicates, collection)
        duplicates.add_group(collection, scan, a_group(1), ["x"])
        assert duplicates.delete_page(collection)
        for write in (
            lambda: duplicates.save(collection, scan, NOW),
            lambda: duplicates.finish(collection, scan, NOW),
            lambda: duplicates.add_group(collection, scan, a_group(2), ["y"]),
        ):
            with pytest.raises(StaleWrite):
                write()
        assert duplicates.acquire(DuplicatesStep("account", collection, "one", 1), NOW) is None
        while duplicates.delete_page(collection):
            pass
        with pytest.raises(StaleWrite):
            duplicates.add_group(collection, scan, a_group(3), ["z"])
        assert duplicates.groups(collection, "one", tuple(Tier), None, 10) == []
        assert duplicates.claimed(collection, scan, [(Tier.SAME, "x"), (Tier.SAME, "y")]) == set()

    def test_a_collection_is_deleted_with_all_its_generations(self, duplicates: Duplicates, collection: str):
        another = str(uuid4())
        kept = self.begun(duplicates, another)
        duplicates.add_group(another, kept, a_group(1), ())
        for generation in ("one", "two"):
            scan = self.begun(duplicates, collection, generation)
            duplicates.add_files(collection, scan, [a_file(key) for key in "abc"])
            duplicates.add_group(collection, scan, a_group(1), ["x"])
            duplicates.finish(collection, scan, NOW)
        while duplicates.delete_page(collection):
            pass
        assert duplicates.scan(collection) is None
        for generation in ("one", "two"):
            assert duplicates.groups(collection, generation, tuple(Tier), None, 10) == []
            assert list(duplicates.files(collection, replace(scan, generation=generation), None)) == []
        assert duplicates.claimed(collection, scan, [(Tier.SAME, "x")]) == set()
        assert len(duplicates.groups(another, "one", tuple(Tier), None, 10)) == 1


class TestFake(DuplicatesContract):
    @pytest.fixture
    def duplicates(self) -> Duplicates:
        return FakeDuplicates()


class TestDynamoDBOnTheEmulator(DuplicatesContract):
    @pytest.fixture
    def duplicates(self, aws: Callable[[str], Any], emulator_syncs_table: str) -> Duplicates:
        return DynamoDBDuplicates(aws("dynamodb"), emulator_syncs_table)

    def test_what_a_run_writes_on_its_way_expires(
        self, duplicates: Duplicates, collection: str, aws: Callable[[str], Any], emulator_syncs_table: str
    ):
        scan = self.begun(duplicates, collection)
        duplicates.add_files(collection, scan, [a_file("a")])
        duplicates.add_group(collection, scan, a_group(1), ["x"])
        items = [
            item
            for page in aws("dynamodb").get_paginator("scan").paginate(TableName=emulator_syncs_table)
            for item in page["Items"]
            if item["sync"]["S"].startswith(f"duplicates#{collection}")
        ]
        expiring = {item["sync"]["S"].rpartition("#")[2] for item in items if "expires_at" in item}
        assert expiring == {"files", "claims"}
        assert len(items) == 4
        expiries = {int(item["expires_at"]["N"]) for item in items if "expires_at" in item}
        assert expiries == {int((NOW + SCAN_RECORD_RETENTION).timestamp())}


class TestDynamoDBLocal(DuplicatesContract):
    @pytest.fixture
    def duplicates(self, dynamodb_local_client: Any, local_syncs_table: str) -> Duplicates:
        return DynamoDBDuplicates(dynamodb_local_client, local_syncs_table)


@pytest.fixture(scope="module")
def emulator_syncs_table(aws: Callable[[str], Any]) -> str:
    return make_table(aws("dynamodb"), "SyncsTable")


@pytest.fixture(scope="module")
def local_syncs_table(dynamodb_local_client: Any) -> str:
    return make_table(dynamodb_local_client, "SyncsTable")
