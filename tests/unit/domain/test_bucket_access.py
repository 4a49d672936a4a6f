"""The policies of a customer's role and of our sessions in it allow reading one collection, and nothing else."""

import pytest

from chalicelib.domain.bucket_access import permissions_policy, session_policy


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
    assert decrypt["Condition"] == {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}
