"""Values of a collection's bucket, folder, region and role; and which keys belong to it."""

from dataclasses import replace
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
    check_takes_uploads,
    parse_auto_sync,
    parse_bucket,
    parse_folder,
    parse_name,
    parse_region,
    parse_role,
)
from chalicelib.domain.errors import InvalidRequest

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def collection(prefix: str = "", role: str | None = None) -> Collection:
    return Collection("c", "a", "n", CollectionType.S3, "bucket", prefix, "eu-west-1", NOW, role_arn=role)


class TestFolders:
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200))
    def test_folder_is_shown_with_one_leading_slash_and_parses_to_the_same_prefix(self, folder: str) -> None:
        prefix = parse_folder(folder)
        serialized = collection(prefix).folder
        assert serialized.startswith("/")
        assert parse_folder(serialized) == prefix

    @pytest.mark.parametrize(
        ("folder", "prefix"),
        [(None, ""), ("", ""), ("/", ""), ("images", "images/"), ("/a/b/", "a/b/"), ("//", "/"), ("//a", "/a/")],
    )
    def test_prefix_of_a_folder_ends_in_a_slash(self, folder: str | None, prefix: str) -> None:
        assert parse_folder(folder) == prefix

    def test_folder_leaves_space_for_a_file_name(self) -> None:
        assert parse_folder("é" * 450) == "é" * 450 + "/"
        with pytest.raises(InvalidRequest):
            parse_folder("é" * 451)
        with pytest.raises(InvalidRequest):
            parse_folder("/" * 902)


def test_keys_that_begin_with_a_slash_belong_to_a_folder_with_two() -> None:
    assert collection(parse_folder("//images")).holds("/images/a.jpg")
    assert not collection(parse_folder("/images")).holds("/images/a.jpg")


@pytest.mark.parametrize(
    ("key", "belongs"),
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
def test_objects_below_the_folder_belong_to_the_collection_but_folder_objects_do_not(key: str, belongs: bool) -> None:
    assert collection("images/").holds(key) is belongs


@pytest.mark.parametrize("name", ["abc", "my.bucket-1", "0a0", "a" * 63])
def test_valid_bucket_name_is_accepted(name: str) -> None:
    assert parse_bucket(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "-ab",
        "ab-",
        "a..b",
        "A-b",
        "a_b",
        "10.0.0.1",
        "xn--abc",
        "sthree-x",
        "a-s3alias",
        "a--use1-az4--x-s3",
        "a--table-s3",
        "a.mrap",
        "a b",
        None,
    ],
)
def test_bucket_name_that_s3_refuses_is_refused(name: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_bucket(name)
    assert refused.value.field == "bucket"


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "ap-southeast-4", "eusc-de-east-1"])
def test_well_formed_region_is_accepted(region: str) -> None:
    assert parse_region(region) == region


@pytest.mark.parametrize("region", ["", "eu", "EU-WEST-1", "eu-west-1\n", "eu-west-1.example.com", None])
def test_malformed_region_is_refused(region: object) -> None:
    with pytest.raises(InvalidRequest):
        parse_region(region)


class TestRoles:
    def test_role_names_the_owner_of_the_bucket(self) -> None:
        role = parse_role("arn:aws:iam::111122223333:role/teams/similarix-reader")
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
    def test_role_outside_the_names_that_we_may_assume_is_refused(self, arn: object) -> None:
        with pytest.raises(InvalidRequest) as refused:
            parse_role(arn)
        assert refused.value.field == "role_arn"


def test_name_is_trimmed_and_has_at_most_100_characters() -> None:
    assert parse_name("  Holidays ") == "Holidays"
    assert parse_name("n" * 100)
    for invalid in ("", " ", "n" * 101, 3, None):
        with pytest.raises(InvalidRequest):
            parse_name(invalid)


def test_collection_is_synced_by_hand_by_default() -> None:
    assert parse_auto_sync(None) is AutoSync.MANUAL
    assert parse_auto_sync("weekly") is AutoSync.WEEKLY
    with pytest.raises(InvalidRequest):
        parse_auto_sync("hourly")


def test_sync_whose_lease_ran_out_has_failed_whatever_its_record_says() -> None:
    running = SyncState(SyncStatus.IN_PROGRESS, lease_until=NOW)
    assert running.status_at(NOW) is SyncStatus.IN_PROGRESS
    assert running.status_at(NOW + timedelta(seconds=1)) is SyncStatus.FAILED
    assert SyncState(SyncStatus.COMPLETED, lease_until=NOW).status_at(NOW + timedelta(days=9)) is SyncStatus.COMPLETED


def test_only_managed_collections_take_uploads() -> None:
    check_takes_uploads(replace(collection(), type=CollectionType.MANAGED))
    with pytest.raises(InvalidRequest):
        check_takes_uploads(collection())
