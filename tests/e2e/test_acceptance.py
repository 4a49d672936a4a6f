"""The walk of ``make accept`` through the local system: it passes, says what fails, and leaves nothing behind."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra.acceptance.__main__ import INTERRUPTED, main
from infra.emulator import Emulator
from infra.local_system import LocalSystem
from tests.e2e.harness import Caller


@pytest.fixture
def lines(aws: Callable[[str], Any], stack: LocalSystem, api: Caller) -> Iterator[list[str]]:
    """What the walk says; after the test there are the collections, roles, objects and settings of before."""

    def everything() -> dict[str, Any]:
        s3, bucket = aws("s3"), stack.sample_bucket
        notifications = s3.get_bucket_notification_configuration(Bucket=bucket)
        return {
            "collections": {each["uuid"] for each in api.result("GET", "/api/collections/")["collections"]},
            "roles": {role["RoleName"] for role in aws("iam").list_roles()["Roles"]},
            "objects": {each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]},
            "notifications": notifications.get("QueueConfigurations"),
        }

    before = everything()
    yield []
    assert everything() == before


def test_the_local_system_is_accepted(lines: list[str], emulator: Emulator, stack: LocalSystem) -> None:
    status = main(["--folder", str(emulator.folder)], lines.append)

    assert (status, lines[-1]) == (0, "ok"), lines[-2]
    steps = [line for line in lines[:-1] if line.startswith("ok ")]
    assert len(steps) == len(lines) - 1 == 17


def test_a_bucket_that_does_not_exist_is_a_failed_step_and_the_collection_before_it_is_deleted(
    lines: list[str], emulator: Emulator, stack: LocalSystem
) -> None:
    status = main(["--folder", str(emulator.folder), "--bucket", "there-is-no-such-bucket"], lines.append)

    assert (status, lines[-1]) == (1, "FAILED")
    assert lines[-2].startswith("FAILED  connect a bucket: ")
    assert "NoSuchBucket" in lines[-2]


def test_what_was_made_is_deleted_after_ctrl_c(lines: list[str], emulator: Emulator, stack: LocalSystem) -> None:
    def interrupt_after_the_role(line: str) -> None:
        lines.append(line)
        if "see an object that arrives" in line:
            raise KeyboardInterrupt

    assert main(["--folder", str(emulator.folder)], interrupt_after_the_role) == INTERRUPTED
    assert any("see an object that arrives" in line for line in lines)


def test_a_url_without_a_token_is_an_error_that_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(SystemExit):
        main(["--url", "https://api.example.com"])

    assert "TOKEN" in capsys.readouterr().err
