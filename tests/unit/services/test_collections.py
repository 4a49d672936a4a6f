"""Collections: created and changed only after their access is checked, unique by folder, as many as the plan allows."""

from dataclasses import replace

import pytest

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import (
    AutoSync,
    BucketDescription,
    CollectionChange,
    CollectionType,
    NewManagedCollection,
    NewS3Collection,
    SyncStatus,
    managed_owner,
)
from chalicelib.domain.errors import (
    DuplicateCollection,
    NotFound,
    PlanForbids,
    QuotaExceeded,
    SourceUnavailable,
    SourceUnreadable,
)
from chalicelib.domain.plans import PLANS
from tests.unit.services.harness import Harness

ROLE = "arn:aws:iam::111122223333:role/similarix-reader"
OTHER_ROLE = "arn:aws:iam::111122223333:role/similarix-writer"
CALLER = Caller("7f6c5d1e-3c55-4f3b-8f0a-0d8a4f5b7c9e", PLANS["pro"])
ON_FREE_PLAN = replace(CALLER, plan=PLANS["free"])


def source(folder: str = "", role: str | None = ROLE, bucket: str = "photographs") -> BucketDescription:
    return BucketDescription(bucket, folder, "eu-west-1", role)


NEW = NewS3Collection("Holidays", source())


def test_collection_is_created_on_a_bucket_that_can_be_read(world: Harness) -> None:
    created = world.app.collections.create(
        CALLER, NewS3Collection("Holidays", source("2026/"), AutoSync.DAILY)
    ).collection
    assert (created.name, created.prefix, created.folder) == ("Holidays", "2026/", "/2026")
    assert (created.auto_sync, created.sync.status) == (AutoSync.DAILY, SyncStatus.PENDING)
    assert (created.region, created.bucket_owner) == ("eu-west-1", "111122223333")
    assert world.app.collections.get(CALLER.account, created.uuid) == created


def test_no_collection_is_created_on_a_bucket_that_cannot_be_read(world: Harness) -> None:
    world.bucket.unlisted = True
    with pytest.raises(SourceUnreadable) as refused:
        world.app.collections.create(CALLER, NEW)
    assert (refused.value.field, "may not be listed" in refused.value.message) == ("role_arn", True)
    assert world.app.collections.all(CALLER.account) == []


def test_bucket_that_is_unavailable_is_not_reported_as_unreadable(world: Harness) -> None:
    world.bucket.down = True
    with pytest.raises(SourceUnavailable):
        world.app.collections.create(CALLER, NEW)
    assert world.app.collections.all(CALLER.account) == []


def test_second_collection_on_the_same_folder_of_a_bucket_is_a_conflict(world: Harness) -> None:
    world.app.collections.create(CALLER, NEW)
    with pytest.raises(DuplicateCollection):
        world.app.collections.create(CALLER, replace(NEW, name="The same"))


def test_other_folders_and_other_accounts_may_have_collections_on_the_same_bucket(world: Harness) -> None:
    world.app.collections.create(CALLER, NEW)
    world.app.collections.create(CALLER, replace(NEW, source=source("nested/")))
    world.app.collections.create(replace(CALLER, account="another account"), NEW)


def test_plan_limits_the_number_of_collections(world: Harness) -> None:
    world.app.collections.create(ON_FREE_PLAN, NEW)
    with pytest.raises(QuotaExceeded):
        world.app.collections.create(ON_FREE_PLAN, replace(NEW, source=source("another/")))


def test_plan_limits_the_intervals_of_automatic_syncs_before_the_bucket_is_checked(world: Harness) -> None:
    with pytest.raises(PlanForbids) as refused:
        world.app.collections.create(ON_FREE_PLAN, replace(NEW, auto_sync=AutoSync.DAILY))
    assert refused.value.field == "auto_sync_interval"
    assert world.ports.access_checker.checked == []
    created = world.app.collections.create(ON_FREE_PLAN, NEW).collection
    with pytest.raises(PlanForbids):
        world.app.collections.change(ON_FREE_PLAN, created, CollectionChange(auto_sync=AutoSync.WEEKLY))


def test_external_id_is_specific_to_account_and_folder_from_the_first_check_on(world: Harness) -> None:
    report = world.app.collections.check(CALLER.account, source(role=None))
    assert [problem.code for problem in report.findings.problems] == ["no_role"]
    assert world.app.collections.create(CALLER, NEW).collection.external_id == report.collection.external_id
    of_stranger = world.app.collections.check("a stranger", source(role=None)).collection.external_id
    of_other_folder = world.app.collections.check(CALLER.account, source("b/", None)).collection.external_id
    assert len({report.collection.external_id, of_stranger, of_other_folder}) == 3


def test_check_of_a_bucket_names_each_problem_and_creates_nothing(world: Harness) -> None:
    report = world.app.collections.check(CALLER.account, source(bucket="missing-bucket"))
    assert [problem.code for problem in report.findings.problems] == ["no_such_bucket"]
    assert world.app.collections.all(CALLER.account) == []


def test_what_is_no_obstacle_is_told_when_a_bucket_is_checked_and_when_it_is_connected(world: Harness) -> None:
    world.put("0000.jpg", "0001.jpg")
    world.bucket.archived.add("0000.jpg")
    report = world.app.collections.check(CALLER.account, source())
    assert report.findings.problems == []
    (warning,) = report.findings.warnings
    assert (warning.code, warning.examples) == ("some_archived", ("0000.jpg",))
    assert world.app.collections.create(CALLER, NEW).warnings == report.findings.warnings


def test_the_owner_of_a_bucket_in_another_region_is_told_how_its_events_can_come(world: Harness) -> None:
    elsewhere = replace(source(role=None), region="us-west-2")
    (warning,) = world.app.collections.check(CALLER.account, elsewhere).findings.warnings
    assert (warning.code, "eu-west-1" in warning.message) == ("events_in_other_region", True)
    world.bucket.region = "eu-west-1"
    findings = world.app.collections.check(CALLER.account, replace(elsewhere, role_arn=ROLE)).findings
    assert ([problem.code for problem in findings.problems], findings.warnings) == (["wrong_region"], ())


def test_managed_collection_is_in_sync_from_the_start_and_has_a_folder_of_its_own(world: Harness) -> None:
    first, second = (world.app.collections.create(CALLER, NewManagedCollection("Mine")).collection for _ in range(2))
    assert (first.name, first.type, first.sync.status, first.bucket) == (
        "Mine",
        CollectionType.MANAGED,
        SyncStatus.COMPLETED,
        world.ports.storage.bucket,
    )
    assert managed_owner(f"{first.prefix}a.jpg") == (CALLER.account, first.uuid)
    assert not second.holds(f"{first.prefix}a.jpg")
    assert world.ports.access_checker.checked == []


@pytest.mark.parametrize("key", ["objects/a/b", "objects/a", "uploads/a/b/c", "", "a.jpg"])
def test_key_outside_all_managed_folders_belongs_to_no_collection(key: str) -> None:
    assert managed_owner(key) is None


class TestChange:
    def test_new_role_is_stored_only_if_it_can_read_the_bucket(self, world: Harness) -> None:
        created = world.app.collections.create(CALLER, NEW).collection
        changed, _ = world.app.collections.change(CALLER, created, CollectionChange(role_arn=OTHER_ROLE))
        assert changed.role_arn == OTHER_ROLE
        assert world.ports.access_checker.checked[-1].role_arn == OTHER_ROLE
        world.bucket.unlisted = True
        with pytest.raises(SourceUnreadable):
            world.app.collections.change(CALLER, created, CollectionChange(role_arn=ROLE))
        assert world.app.collections.get(CALLER.account, created.uuid).role_arn == OTHER_ROLE

    def test_what_a_new_role_cannot_read_is_told(self, world: Harness) -> None:
        created = world.app.collections.create(CALLER, NEW).collection
        world.put("0000.jpg", "0001.jpg")
        world.bucket.archived.add("0000.jpg")
        _, warnings = world.app.collections.change(CALLER, created, CollectionChange(role_arn=OTHER_ROLE))
        assert [(warning.code, warning.examples) for warning in warnings] == [("some_archived", ("0000.jpg",))]

    def test_chosen_hour_can_be_given_up(self, world: Harness) -> None:
        created = world.app.collections.create(CALLER, NEW).collection
        chosen, _ = world.app.collections.change(CALLER, created, CollectionChange(auto_sync_at=0))
        usual, _ = world.app.collections.change(CALLER, chosen, CollectionChange(usual_hour=True))
        assert (chosen.auto_sync_at, usual.auto_sync_at) == (0, None)

    def test_new_name_or_interval_needs_no_check_of_the_bucket(self, world: Harness) -> None:
        created = world.app.collections.create(CALLER, NEW).collection
        world.bucket.unlisted = True
        changed, _ = world.app.collections.change(CALLER, created, CollectionChange("New", AutoSync.MONTHLY))
        assert (changed.name, changed.auto_sync) == ("New", AutoSync.MONTHLY)

    def test_empty_change_leaves_the_collection_as_it_is(self, world: Harness) -> None:
        created = world.app.collections.create(CALLER, NEW).collection
        assert world.app.collections.change(CALLER, created, CollectionChange()) == (created, ())

    def test_collection_deleted_meanwhile_is_not_found(self, world: Harness) -> None:
        created = world.app.collections.create(CALLER, NEW).collection
        world.app.deletion.begin(created)
        with pytest.raises(NotFound):
            world.app.collections.change(CALLER, created, CollectionChange("New"))


def test_identifier_is_accepted_in_capitals_and_in_no_other_spelling(world: Harness) -> None:
    account, uuid = world.collection.account, world.collection.uuid
    assert world.app.collections.get(account, uuid.upper()).uuid == uuid
    for spelling in (uuid.replace("-", ""), f"{{{uuid}}}", f"urn:uuid:{uuid}", "nonsense"):
        with pytest.raises(NotFound):
            world.app.collections.get(account, spelling)
