"""``similarix connect``: the role, the collection and the first sync."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from similarix_sdk import Client
from similarix_sdk.cli.exits import Exit
from tests.fakes.http_api import HttpApi
from tests.unit.sdk.command import Command


class EntityAlreadyExistsException(Exception):
    pass


class FakeIam:
    """What is used of IAM; tests/e2e/test_documents.py runs the command on the emulator's."""

    class exceptions:  # noqa: N801  # boto3's name
        EntityAlreadyExistsException = EntityAlreadyExistsException

    def __init__(self) -> None:
        self.roles: dict[str, dict[str, Any]] = {}

    def create_role(self, **role: Any) -> Any:
        if role["RoleName"] in self.roles:
            raise EntityAlreadyExistsException
        self.roles[role["RoleName"]] = {"trust": role["AssumeRolePolicyDocument"]}
        return self.get_role(RoleName=role["RoleName"])

    def get_role(self, *, RoleName: str) -> Any:  # noqa: N803  # boto3's names
        return {"Role": {"Arn": f"arn:aws:iam::123456789012:role/{RoleName}"}}

    def put_role_policy(self, **policy: Any) -> None:
        self.roles[policy["RoleName"]]["permissions"] = policy["PolicyDocument"]

    def update_assume_role_policy(self, **policy: Any) -> None:
        self.roles[policy["RoleName"]]["trust"] = policy["PolicyDocument"]


class FakeSts:
    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "123456789012"}


class FakeS3:
    """Denies, and says where the bucket is, as S3 does."""

    region: str | None = "eu-west-1"

    def head_bucket(self, **_: Any) -> Any:
        denied = Exception("403")
        headers = {"x-amz-bucket-region": self.region} if self.region else {}
        denied.response = {"ResponseMetadata": {"HTTPHeaders": headers}}  # type: ignore[attr-defined]
        raise denied


@pytest.fixture
def command(http_api: HttpApi, tmp_path: Path) -> Command:
    http_api.ports.sources.bucket("pictures").put("photos/2024/a.jpg", b"a")
    command = Command(http_api, tmp_path)
    command.aws = {"iam": FakeIam(), "sts": FakeSts(), "s3": FakeS3()}
    return command


def test_a_role_is_shown_made_and_used(command: Command, client: Client) -> None:
    ((uuid,),) = command.lines("connect", "s3://pictures/photos/2024", "--create-role", "--yes", "--every", "daily")
    collection = client.collections.get(uuid)
    assert (collection.folder, collection.region, collection.name) == ("/photos/2024", "eu-west-1", "2024")
    assert (collection.sync_status, collection.auto_sync_interval) == ("in_progress", "daily")
    ((name, role),) = command.aws["iam"].roles.items()
    assert name.startswith("similarix-")
    assert json.loads(role["trust"])["Statement"]
    for document in role.values():
        assert document in command.err


def test_without_consent_nothing_is_made(command: Command, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert command("connect", "s3://pictures/photos", "--create-role") != 0
    assert command.aws["iam"].roles == {}
    assert client.collections.list() == ()


def test_without_a_role_the_needed_one_is_explained(command: Command, client: Client) -> None:
    assert command("connect", "s3://pictures/photos") == Exit.INCOMPLETE
    assert command.out == ""
    assert "sts:AssumeRole" in command.err
    assert "--create-role" in command.err
    assert client.collections.list() == ()


def test_a_second_run_gives_the_role_its_policies_again(command: Command) -> None:
    command.lines("connect", "s3://pictures/photos", "--create-role", "--yes", "--no-sync")
    ((name, role),) = command.aws["iam"].roles.items()
    made = dict(role)
    role["trust"] = role["permissions"] = "{}"
    assert command("connect", "s3://pictures/photos", "--create-role", "--yes", "--no-sync") == Exit.FAILED
    assert command.aws["iam"].roles == {name: made}


def test_a_new_role_is_waited_for_until_it_is_known_everywhere(command: Command, http_api: HttpApi) -> None:
    bucket = http_api.ports.sources.bucket("pictures")
    bucket.unlisted = True

    class Opening(list[float]):
        def append(self, seconds: float) -> None:
            super().append(seconds)
            bucket.unlisted = len(self) < 3

    command.pauses = Opening()
    assert command("connect", "s3://pictures/photos", "--create-role", "--yes") == 0
    assert command.pauses == [3.0, 3.0, 3.0]


def test_a_role_that_cannot_read_is_refused_with_the_reason(command: Command, http_api: HttpApi) -> None:
    http_api.ports.sources.bucket("pictures").unlisted = True
    role = "arn:aws:iam::123456789012:role/similarix-x"
    assert command("connect", "s3://pictures/photos", "--role", role) == Exit.FAILED
    assert "list_denied" in command.err
    assert command.pauses == []


def test_what_names_no_bucket_and_a_bucket_that_is_nowhere_are_refused(command: Command) -> None:
    for uri in ("pictures/photos", "https://pictures", "s3://", "s3:///photos"):
        assert command("connect", uri) == Exit.USAGE
    command.aws["s3"].region = None
    assert command("connect", "s3://pictures/photos") == Exit.FAILED
