"""``similarix connect``: the role or the access key, the collection and the first sync."""

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
    assert "It may list the names in the bucket pictures, and read s3://pictures/photos/2024:" in command.err


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


KEY = {"SIMILARIX_ACCESS_KEY_ID": "AKID", "SIMILARIX_SECRET_ACCESS_KEY": "a-secret-of-this-test"}
ON_SERVER = ("connect", "s3://pictures/photos/2024", "--endpoint", "https://s3.example.com")


def secret_of(http_api: HttpApi) -> str:
    """The secret that the API has sealed last."""
    (stored,) = [each for each in http_api.ports.collections.stored.values() if each.server is not None]
    secret: str = http_api.ports.secrets.open(stored.account, stored.uuid, stored.server.sealed_secret)
    return secret


def test_a_bucket_at_an_endpoint_is_connected_with_the_key_of_the_environment(
    command: Command, client: Client, http_api: HttpApi
) -> None:
    assert command(*ON_SERVER, "--every", "daily", environ=KEY) == 0, command.err
    collection = client.collections.get(command.out.strip())
    assert (collection.endpoint, collection.access_key_id) == ("https://s3.example.com", "AKID")
    assert (collection.name, collection.auto_sync_interval) == ("2024", "daily")
    assert collection.sync_status == "in_progress"
    assert secret_of(http_api) == KEY["SIMILARIX_SECRET_ACCESS_KEY"]
    assert KEY["SIMILARIX_SECRET_ACCESS_KEY"] not in command.out + command.err


def test_in_a_pipe_the_key_is_two_lines_and_it_is_changed_the_same_way(
    command: Command, client: Client, http_api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("AKID\na-secret-of-a-pipe\n"))
    assert command(*ON_SERVER, "--no-sync") == 0, command.err
    uuid = command.out.strip()
    monkeypatch.setattr("sys.stdin", io.StringIO("OTHER\nanother-secret\n"))
    assert command("access-key", uuid) == 0, command.err
    assert client.collections.get(uuid).access_key_id == "OTHER"
    assert secret_of(http_api) == "another-secret"
    assert "another-secret" not in command.out + command.err


def test_without_a_key_and_with_a_role_nothing_is_connected(
    command: Command, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert command(*ON_SERVER) == Exit.USAGE
    assert "SIMILARIX_SECRET_ACCESS_KEY" in capsys.readouterr().err
    assert command(*ON_SERVER, "--create-role", environ=KEY) == Exit.USAGE
    assert client.collections.list() == ()


def test_a_key_that_the_server_refuses_is_told(command: Command, http_api: HttpApi) -> None:
    http_api.ports.sources.bucket("pictures").unlisted = True
    assert command(*ON_SERVER, environ=KEY) == Exit.FAILED
    assert "may not be listed" in command.err


@pytest.mark.parametrize("option", ["--secret", "--secret-access-key", "--access-key"])
def test_no_option_takes_a_secret(command: Command, option: str) -> None:
    assert command(*ON_SERVER, option, "a-secret") == Exit.USAGE
