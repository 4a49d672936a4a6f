"""What may name a collection's bucket, folder, region and role; and which keys it holds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collections import (
    AutoSync,
    Collection,
    CollectionType,
    SyncState,
    SyncStatus,
    checked_auto_sync,
    checked_bucket,
    checked_name,
    checked_prefix,
    checked_region,
    checked_role,
)
from chalicelib.domain.errors import InvalidRequest

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def collection(prefix: str = "", role: str | None = None) -> Collection:
    return Collection("c", "a", "n", CollectionType.S3, "bucket", prefix, "eu-west-1", NOW, role_arn=role)


class TestFolders:
    @given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
    def test_are_shown_with_one_leading_slash_and_read_back_the_same(self, folder: str) -> None:
        prefix = checked_prefix(folder)
        shown = collection(prefix).folder
        assert shown.startswith("/")
        assert checked_prefix(shown) == prefix

    @pytest.mark.parametrize(
        ("folder", "prefix"), [(None, ""), ("", ""), ("/", ""), ("images", "images/"), ("/a/b/", "a/b/")]
    )
    def test_become_prefixes_that_end_in_a_slash(self, folder: str | None, prefix: str) -> None:
        assert checked_prefix(folder) == prefix

    def test_leave_room_for_a_file_name(self) -> None:
        assert checked_prefix("é" * 450) == "é" * 450 + "/"
        with pytest.raises(InvalidRequest):
            checked_prefix("é" * 451)


@pytest.mark.parametrize(
    ("key", "held"),
    [
        ("images/a.jpg", True),
        ("images/deep/er/a.jpg", True),
        ("images/", False),
        ("images/deep/", False),
        ("images", False),
        ("images2/a.jpg", False),
        ("Images/a.jpg", False),
    ],
)
def test_a_collection_holds_the_objects_below_its_folder_and_not_the_folders_themselves(key: str, held: bool) -> None:
    assert collection("images/").holds(key) is held


@pytest.mark.parametrize("name", ["abc", "my.bucket-1", "0a0", "a" * 63])
def test_a_bucket_name_as_s3_has_it_is_taken(name: str) -> None:
    assert checked_bucket(name) == name


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "-ab", "ab-", "a..b", "A-b", "a_b", "10.0.0.1", "xn--abc", "sthree-x", "a-s3alias", "a b", None],
)
def test_a_bucket_name_that_s3_refuses_is_refused(name: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_bucket(name)
    assert refused.value.field == "bucket"


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "ap-southeast-4"])
def test_a_region_is_known_by_its_form(region: str) -> None:
    assert checked_region(region) == region


@pytest.mark.parametrize("region", ["", "eu", "EU-WEST-1", "eu-west-1\n", "eu-west-1.example.com", None])
def test_what_is_no_region_is_refused(region: object) -> None:
    with pytest.raises(InvalidRequest):
        checked_region(region)


class TestRoles:
    def test_tell_who_owns_the_bucket(self) -> None:
        role = checked_role("arn:aws:iam::111122223333:role/teams/similarix-reader")
        assert collection(role=role).bucket_owner == "111122223333"

    @pytest.mark.parametrize(
        "arn",
        [
            "arn:aws:iam::111122223333:role/admin",
            "arn:aws:iam::111122223333:user/similarix-reader",
            "arn:aws:iam::1111:role/similarix-reader",
            "arn:aws:iam::111122223333:role/similarix-",
            "arn:aws:iam::111122223333:role/similarix-a b",
            "arn:aws:iam::111122223333:role/similarix-*\n",
            None,
        ],
    )
    def test_bear_the_name_that_our_permission_is_limited_to(self, arn: object) -> None:
        with pytest.raises(InvalidRequest) as refused:
            checked_role(arn)
        assert refused.value.field == "role_arn"


def test_a_name_is_trimmed_and_has_at_most_100_characters() -> None:
    assert checked_name("  Holidays ") == "Holidays"
    assert checked_name("n" * 100)
    for wrong in ("", " ", "n" * 101, 3, None):
        with pytest.raises(InvalidRequest):
            checked_name(wrong)


def test_a_collection_is_synced_by_hand_unless_said() -> None:
    assert checked_auto_sync(None) is AutoSync.MANUAL
    assert checked_auto_sync("weekly") is AutoSync.WEEKLY
    with pytest.raises(InvalidRequest):
        checked_auto_sync("hourly")


def test_a_sync_whose_lease_ran_out_has_failed_whatever_its_record_says() -> None:
    running = SyncState(SyncStatus.IN_PROGRESS, lease_until=NOW)
    assert running.status_at(NOW) is SyncStatus.IN_PROGRESS
    assert running.status_at(NOW + timedelta(seconds=1)) is SyncStatus.FAILED
    assert SyncState(SyncStatus.COMPLETED, lease_until=NOW).status_at(NOW + timedelta(days=9)) is SyncStatus.COMPLETED
