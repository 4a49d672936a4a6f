"""Collections: tried out before they are made or changed, one for each folder, as many as the plan allows."""

from dataclasses import replace

import pytest

from chalicelib.domain.collections import AutoSync, CollectionType, SyncStatus, managed_owner
from chalicelib.domain.errors import (
    DuplicateCollection,
    InvalidRequest,
    NotFound,
    PlanForbids,
    QuotaExceeded,
    SourceUnavailable,
    SourceUnreadable,
)
from chalicelib.domain.plans import PLANS
from chalicelib.services.authentication import Caller
from tests.unit.services.harness import Harness

ROLE = "arn:aws:iam::111122223333:role/similarix-reader"
OTHER_ROLE = "arn:aws:iam::111122223333:role/similarix-writer"
NEWCOMER = Caller("7f6c5d1e-3c55-4f3b-8f0a-0d8a4f5b7c9e", PLANS["pro"])
WISH = {"type": "s3", "name": "Holidays", "bucket": "photographs", "region": "eu-west-1", "role_arn": ROLE}


def test_a_bucket_that_can_be_read_becomes_a_collection(world: Harness) -> None:
    made = world.app.collections.create(NEWCOMER, {**WISH, "folder": "/2026/", "auto_sync_interval": "daily"})
    assert (made.prefix, made.folder, made.auto_sync) == ("2026/", "/2026", AutoSync.DAILY)
    assert (made.sync.status, made.bucket_owner) == (SyncStatus.PENDING, "111122223333")
    assert world.app.collections.get(NEWCOMER.account, made.uuid) == made


def test_a_bucket_that_cannot_be_read_becomes_none_and_the_answer_says_why(world: Harness) -> None:
    world.bucket.unlisted = True
    with pytest.raises(SourceUnreadable) as refused:
        world.app.collections.create(NEWCOMER, WISH)
    assert (refused.value.field, "may not be listed" in refused.value.message) == ("role_arn", True)
    assert world.app.collections.all(NEWCOMER.account) == []


def test_a_bucket_that_does_not_answer_is_not_taken_for_unreadable(world: Harness) -> None:
    world.bucket.down = True
    with pytest.raises(SourceUnavailable):
        world.app.collections.create(NEWCOMER, WISH)
    assert world.app.collections.all(NEWCOMER.account) == []


def test_what_is_wrong_with_the_wish_is_said_before_the_bucket_is_tried(world: Harness) -> None:
    for wish in ({**WISH, "name": " "}, {**WISH, "auto_sync_interval": "hourly"}, {**WISH, "colour": "red"}):
        with pytest.raises(InvalidRequest):
            world.app.collections.create(NEWCOMER, wish)
    assert world.ports.access_checker.examined == []


def test_the_same_folder_of_the_same_bucket_twice_is_a_conflict_and_another_is_not(world: Harness) -> None:
    world.app.collections.create(NEWCOMER, WISH)
    with pytest.raises(DuplicateCollection):
        world.app.collections.create(NEWCOMER, {**WISH, "name": "The same", "folder": "/"})
    world.app.collections.create(NEWCOMER, {**WISH, "folder": "nested"})
    world.app.collections.create(replace(NEWCOMER, account="another account"), WISH)


def test_the_plan_says_how_many_and_how_often(world: Harness) -> None:
    few = replace(NEWCOMER, plan=PLANS["free"])
    with pytest.raises(PlanForbids) as refused:
        world.app.collections.create(few, {**WISH, "auto_sync_interval": "daily"})
    assert refused.value.field == "auto_sync_interval"
    made = world.app.collections.create(few, WISH)
    with pytest.raises(QuotaExceeded):
        world.app.collections.create(few, {**WISH, "folder": "another"})
    with pytest.raises(PlanForbids):
        world.app.collections.change(few, made, {"auto_sync_interval": "weekly"})


def test_an_external_id_is_the_accounts_own_for_the_folder_from_the_first_try_on(world: Harness) -> None:
    wish = {name: WISH[name] for name in ("bucket", "region")}
    tried = world.app.collections.check(NEWCOMER.account, wish)
    assert [problem.code for problem in tried.problems] == ["no_role"]
    assert world.app.collections.create(NEWCOMER, WISH).external_id == tried.collection.external_id
    strangers = world.app.collections.check("a stranger", wish).collection.external_id
    elsewhere = world.app.collections.check(NEWCOMER.account, {**wish, "folder": "b"}).collection.external_id
    assert len({tried.collection.external_id, strangers, elsewhere}) == 3


def test_trying_a_bucket_out_names_each_problem_and_makes_nothing(world: Harness) -> None:
    wish = {"bucket": "missing-bucket", "region": "eu-west-1", "role_arn": ROLE}
    assert [p.code for p in world.app.collections.check(NEWCOMER.account, wish).problems] == ["no_such_bucket"]
    assert world.app.collections.all(NEWCOMER.account) == []


def test_a_managed_collection_is_in_sync_from_the_beginning_and_has_a_folder_of_its_own(world: Harness) -> None:
    one, other = (world.app.collections.create(NEWCOMER, {"type": "managed", "name": "Mine"}) for _ in range(2))
    assert (one.type, one.sync.status, one.bucket) == (
        CollectionType.MANAGED,
        SyncStatus.COMPLETED,
        world.ports.storage.bucket,
    )
    assert managed_owner(f"{one.prefix}a.jpg") == (NEWCOMER.account, one.uuid)
    assert not other.holds(f"{one.prefix}a.jpg")
    for wish in ({"auto_sync_interval": "daily"}, {"bucket": "photographs"}):
        with pytest.raises(InvalidRequest):
            world.app.collections.create(NEWCOMER, {"type": "managed", "name": "Mine", **wish})


@pytest.mark.parametrize("key", ["objects/a/b", "objects/a", "uploads/a/b/c", "", "a.jpg"])
def test_a_key_that_lies_in_no_collections_folder_belongs_to_none(key: str) -> None:
    assert managed_owner(key) is None


class TestChanging:
    def test_another_role_is_tried_out_first(self, world: Harness) -> None:
        made = world.app.collections.create(NEWCOMER, WISH)
        assert world.app.collections.change(NEWCOMER, made, {"role_arn": OTHER_ROLE}).role_arn == OTHER_ROLE
        assert world.ports.access_checker.examined[-1].role_arn == OTHER_ROLE
        world.bucket.unlisted = True
        with pytest.raises(SourceUnreadable):
            world.app.collections.change(NEWCOMER, made, {"role_arn": ROLE})
        assert world.app.collections.get(NEWCOMER.account, made.uuid).role_arn == OTHER_ROLE

    def test_another_name_or_interval_needs_no_trial(self, world: Harness) -> None:
        made = world.app.collections.create(NEWCOMER, WISH)
        world.bucket.unlisted = True
        changed = world.app.collections.change(NEWCOMER, made, {"name": "New", "auto_sync_interval": "monthly"})
        assert (changed.name, changed.auto_sync) == ("New", AutoSync.MONTHLY)
        assert world.app.collections.change(NEWCOMER, made, {}) == made

    def test_what_cannot_be_changed_is_refused(self, world: Harness) -> None:
        made = world.app.collections.create(NEWCOMER, WISH)
        for wish in ({"bucket": "another-bucket"}, {"folder": "b"}, {"type": "managed"}):
            with pytest.raises(InvalidRequest):
                world.app.collections.change(NEWCOMER, made, wish)

    def test_one_that_was_deleted_meanwhile_is_not_found(self, world: Harness) -> None:
        made = world.app.collections.create(NEWCOMER, WISH)
        world.app.deletion.begin(made)
        with pytest.raises(NotFound):
            world.app.collections.change(NEWCOMER, made, {"name": "New"})


def test_an_identifier_is_found_in_capitals_too_and_in_no_other_spelling(world: Harness) -> None:
    account, uuid = world.collection.account, world.collection.uuid
    assert world.app.collections.get(account, uuid.upper()).uuid == uuid
    for other in (uuid.replace("-", ""), f"{{{uuid}}}", f"urn:uuid:{uuid}", "nonsense"):
        with pytest.raises(NotFound):
            world.app.collections.get(account, other)
