"""Customers' roles on the emulator, which enforces IAM, and the service that assumes them."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from chalicelib.adapters.factory import S3_CLIENT
from chalicelib.adapters.s3.sources import Credentials, S3Sources
from chalicelib.domain.bucket_access import permissions_policy, trust_policy
from chalicelib.domain.collections import Collection
from infra.emulator import ACCOUNT, REGION

Clients = Callable[..., Any]


def sources_of_a_service(aws: Clients) -> S3Sources:
    """Sources of a user that may assume customers' roles and nothing else, as our functions' roles may."""
    iam, name = aws("iam"), f"service-{uuid4().hex}"
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def client(region: str, credentials: Credentials) -> Any:
        return aws(
            "s3",
            region_name=region,
            aws_access_key_id=credentials.key,
            aws_secret_access_key=credentials.secret,
            aws_session_token=credentials.token,
            config=S3_CLIENT,
        )

    return S3Sources(aws("s3", config=S3_CLIENT), lambda: aws("sts", **keys), client)


def make_role(
    aws: Clients, collection: Collection, external_id: str, condition: dict[str, Any] | None, path: str = "/"
) -> str:
    """Create a role that may read a collection, with the condition of its trust policy; returns its ARN."""
    iam, trust = aws("iam"), trust_policy(external_id, f"arn:aws:sqs:{REGION}:{ACCOUNT}:events")
    (statement,) = trust["Statement"]
    del statement["Condition"]
    if condition is not None:
        statement["Condition"] = condition
    name = f"similarix-{uuid4().hex[:16]}"
    role = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    policy = permissions_policy(collection.bucket, collection.prefix)
    iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=json.dumps(policy))
    return str(role)
