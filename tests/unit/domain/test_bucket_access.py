"""The policies of a customer's role and of our sessions in it allow reading one collection, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.bucket_access import (
    SESSION_POLICY_LIMIT,
    folder_problem,
    permissions_policy,
    session_policy,
    session_policy_text,
)
from chalicelib.domain.collections import FOLDER_LIMIT, parse_folder
from tests.factories import a_collection


@pytest.mark.parametrize(("partition", "prefix"), [("aws", ""), ("aws", "photos/"), ("aws-cn", "photos/")])
def test_the_role_may_list_the_bucket_and_read_the_objects_below_the_prefix(partition: str, prefix: str) -> None:
    statements = permissions_policy("a-bucket", prefix, partition)["Statement"]
    assert [(statement["Action"], statement["Resource"]) for statement in statements] == [
        ("s3:ListBucket", f"arn:{partition}:s3:::a-bucket"),
        ("s3:GetObject", f"arn:{partition}:s3:::a-bucket/{prefix}*"),
    ]


def test_a_session_may_do_what_the_role_allows_and_decrypt_through_s3() -> None:
    role = permissions_policy("a-bucket", "photos/", "aws")["Statement"]
    *shared, decrypt = session_policy("a-bucket", "photos/", "aws")["Statement"]
    assert shared == role
    assert decrypt["Action"] == "kms:Decrypt"
    assert decrypt["Condition"] == {"StringLike": {"kms:ViaService": "s3.*.amazonaws.*"}}


@pytest.mark.parametrize(
    ("folder", "literal"), [("a*", "a${*}"), ("a?b", "a${?}b"), ("${aws:username}", "${$}{aws:username}")]
)
def test_a_folder_is_no_pattern_whatever_its_name(folder: str, literal: str) -> None:
    *_, read = permissions_policy("a-bucket", f"{folder}/")["Statement"]
    assert read["Resource"] == f"arn:aws:s3:::a-bucket/{literal}/*"


@given(st.text(max_size=FOLDER_LIMIT).filter(lambda text: len(text.encode("utf-8", "ignore")) <= FOLDER_LIMIT))
def test_the_text_of_a_session_policy_is_its_json_in_characters_that_sts_takes(folder: str) -> None:
    collection = a_collection(prefix=folder + "/")
    text = session_policy_text(collection)
    assert json.loads(text) == session_policy(collection.bucket, collection.prefix)
    assert all(" " <= char <= "\xff" for char in text)


@pytest.mark.parametrize(("letter", "fits"), [("a", True), ("é", True), ("語", False)])
def test_a_folder_whose_policy_would_be_too_long_is_a_problem(letter: str, fits: bool) -> None:
    prefix = parse_folder(letter * (FOLDER_LIMIT // len(letter.encode())))
    collection = a_collection(bucket="b" * 63, prefix=prefix)
    problem = folder_problem(collection)
    assert (problem is None) is fits
    assert (len(session_policy_text(collection)) <= SESSION_POLICY_LIMIT) is fits
    if problem is not None:
        assert (problem.code, problem.field) == ("folder_too_long", "folder")
