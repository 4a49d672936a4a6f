"""What the emulator's process takes for requests of each kind, with the code of whatever tree is on the path.

An earlier commit has no such module, so this one is run as a script there, and imports only what both have. The caller
is a role, as the functions are, and its own work is not counted. Prints JSON: kind to seconds of the processor.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import requests
from botocore.config import Config

from infra.emulator import ACCOUNT, REGION, Emulator
from infra.localhost import direct_session, free_port

WARM = 50  # requests of each kind that are not counted
BUCKET, TABLE, QUEUE, ROLE = "bench", "bench", "bench", "bench"
STATEMENTS = 20  # of the role's policies, as many as the largest roles of the template have
PICTURE = bytes(range(256)) * 20
QUEUES = 20  # there are as many queues on the deployed system
SQS_BATCH, TRANSACTION, READ_BATCH = 10, 25, 50

Kind = Callable[[int], object]


def measure(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        began = _used(emulator)
        found = {"start": began * count}
        for name, send in _kinds(emulator).items():
            for number in range(-WARM, 0):
                send(number)
            before = _used(emulator)
            for number in range(count):
                send(number)
            found[name] = _used(emulator) - before
        return found


def _used(emulator: Emulator) -> float:
    """Seconds of the processor that the process has used, its threads included."""
    fields = Path(f"/proc/{emulator.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _kinds(emulator: Emulator) -> dict[str, Kind]:
    session = _role(emulator)

    def client(service: str) -> Any:
        options = Config(retries={"max_attempts": 0}, signature_version="s3v4" if service == "s3" else None)
        return session.client(service, endpoint_url=emulator.endpoint, config=options)  # type: ignore[call-overload]

    s3, dynamodb, sqs = client("s3"), client("dynamodb"), client("sqs")
    queue = sqs.get_queue_url(QueueName=f"{QUEUE}-0")["QueueUrl"]
    http = direct_session()

    def presigned(method: str, number: int) -> str:
        url: str = s3.generate_presigned_url(method, Params={"Bucket": BUCKET, "Key": f"photos/{number}.jpg"})
        return url

    def checked(response: requests.Response) -> None:
        response.raise_for_status()

    def record(number: int, sort: str = "record") -> dict[str, Any]:
        metadata = {"M": {f"field-{each}": {"S": "a value" * 3} for each in range(10)}}
        key = {"pk": {"S": f"files#{number % 40}"}, "sk": {"S": f"{sort}#{number:06}"}}
        return key | {"etag": {"S": "a" * 32}, "size": {"N": str(number)}, "metadata": metadata}

    def transact(number: int) -> None:
        condition = {
            "TableName": TABLE,
            "ConditionExpression": "attribute_not_exists(fence) OR fence < :fence",
            "ExpressionAttributeValues": {":fence": {"N": "2"}},
        }
        parts = [{"Put": condition | {"Item": record(number, f"part-{each}")}} for each in range(TRANSACTION)]
        dynamodb.transact_write_items(TransactItems=parts)

    def batch_get(number: int) -> None:
        keys = [{name: record(each)[name] for name in ("pk", "sk")} for each in range(number, number + READ_BATCH)]
        dynamodb.batch_get_item(RequestItems={TABLE: {"Keys": keys}})

    def query(number: int) -> None:
        dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression="pk = :pk AND sk > :sk",
            ExpressionAttributeValues={":pk": {"S": f"files#{number % 40}"}, ":sk": {"S": "record#"}},
            Limit=READ_BATCH,
        )

    def send(number: int) -> None:
        entries = [{"Id": str(each), "MessageBody": "x" * 2_000} for each in range(SQS_BATCH)]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)

    def receive(number: int) -> None:
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(found)]
        if entries:
            sqs.delete_message_batch(QueueUrl=queue, Entries=entries)

    return {
        "s3_put": lambda number: s3.put_object(Bucket=BUCKET, Key=f"photos/{number}.jpg", Body=PICTURE),
        "s3_put_presigned": lambda number: checked(http.put(presigned("put_object", number), data=PICTURE)),
        "s3_get": lambda number: s3.get_object(Bucket=BUCKET, Key=f"photos/{number}.jpg")["Body"].read(),
        "s3_get_presigned": lambda number: checked(http.get(presigned("get_object", number))),
        "s3_head": lambda number: s3.head_object(Bucket=BUCKET, Key=f"photos/{number}.jpg"),
        "s3_list": lambda _: s3.list_objects_v2(Bucket=BUCKET, MaxKeys=500),
        "dynamodb_put": lambda number: dynamodb.put_item(TableName=TABLE, Item=record(number)),
        "dynamodb_get": lambda number: dynamodb.get_item(
            TableName=TABLE, Key={name: record(number)[name] for name in ("pk", "sk")}
        ),
        "dynamodb_transaction": transact,
        "dynamodb_batch_get": batch_get,
        "dynamodb_query": query,
        "sqs_send": send,
        "sqs_receive_delete": receive,
    }


def _role(emulator: Emulator) -> boto3.Session:
    """A session of a new role, which may use one table, one bucket and the queues; these are made, too."""
    root = emulator.session()

    def client(service: str) -> Any:
        return root.client(service, endpoint_url=emulator.endpoint)  # type: ignore[call-overload]

    client("s3").create_bucket(Bucket=BUCKET)
    for number in range(QUEUES):
        client("sqs").create_queue(QueueName=f"{QUEUE}-{number}")
    names = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    schema = [
        {"AttributeName": name, "KeyType": kind} for name, kind in zip(("pk", "sk"), ("HASH", "RANGE"), strict=True)
    ]
    client("dynamodb").create_table(
        TableName=TABLE, AttributeDefinitions=names, KeySchema=schema, BillingMode="PAY_PER_REQUEST"
    )
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    iam = client("iam")
    role = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_policy([trust]))["Role"]["Arn"]
    others = [
        {
            "Effect": "Allow",
            "Action": ["lambda:InvokeFunction", "kms:Decrypt"],
            "Resource": f"arn:aws:lambda:::{number}",
        }
        for number in range(STATEMENTS)
    ]
    needed = [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{BUCKET}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{BUCKET}"},
        {"Effect": "Allow", "Action": "dynamodb:*", "Resource": f"arn:aws:dynamodb:*:*:table/{TABLE}"},
        {"Effect": "Allow", "Action": "sqs:*", "Resource": f"arn:aws:sqs:*:*:{QUEUE}-*"},
    ]
    iam.put_role_policy(RoleName=ROLE, PolicyName="bench", PolicyDocument=_policy(others + needed))
    found = client("sts").assume_role(RoleArn=role, RoleSessionName="bench")["Credentials"]
    return boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], REGION)


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
