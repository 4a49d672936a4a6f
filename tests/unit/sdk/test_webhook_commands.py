"""``similarix webhooks``: secrets go where they are asked for, and what receivers answer is shown."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from similarix_sdk import Client
from similarix_sdk.cli.exits import Exit
from tests.fakes.http_api import HttpApi
from tests.unit.sdk.command import Command

URL = "https://shop.example/hooks?key=k1"


class Worker(list[float]):
    """Pauses in which the worker makes the attempts that wait."""

    def __init__(self, http_api: HttpApi) -> None:
        super().__init__()
        self._http_api = http_api

    def append(self, seconds: float) -> None:
        super().append(seconds)
        self.work()

    def work(self) -> None:
        waiting = self._http_api.ports.queues.webhooks
        steps = [step for step, _ in waiting]
        waiting.clear()
        for step in steps:
            self._http_api.services.webhook_dispatcher.attempt(step, redelivered=False)


@pytest.fixture
def command(http_api: HttpApi, tmp_path: Path) -> Command:
    command = Command(http_api, tmp_path)
    command.pauses = Worker(http_api)
    return command


@pytest.fixture
def webhook(client: Client) -> str:
    return client.webhooks.create(URL, ["file.indexed"]).webhook.id


def signing_secrets(http_api: HttpApi) -> tuple[str, ...]:
    """The secrets that sign what is sent to the only endpoint."""
    account = next(iter(http_api.ports.accounts.stored))
    (endpoint,) = http_api.ports.webhook_registry.of_account(account).endpoints
    return endpoint.secrets_at(http_api.ports.clock())


def test_the_secret_of_a_new_webhook_is_in_a_private_file_and_never_shown(
    command: Command, client: Client, http_api: HttpApi, collection: str, tmp_path: Path
) -> None:
    to = tmp_path / "hook.secret"
    events = ("--event", "file.indexed", "--event", "sync.failed")
    ((id,),) = command.lines("webhooks", "create", URL, *events, "--in", "n", "--description", "the shop", "--to", to)
    assert (to.read_text().strip(),) == signing_secrets(http_api)
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    assert "whsec" not in command.out + command.err
    shown = client.webhooks.get(id)
    assert (shown.events, shown.collections) == (("sync.failed", "file.indexed"), (collection,))
    assert command.lines("webhooks") == [
        ["https://shop.example/…", "enabled", "sync.failed file.indexed", "the shop", id]
    ]
    assert command("webhooks", "create", URL, *events, "--to", to) == Exit.USAGE
    assert len(client.webhooks.list()) == 1


def test_a_pipe_gets_the_secret_alone(command: Command, client: Client, http_api: HttpApi) -> None:
    assert command("webhooks", "create", URL, "--event", "file.indexed", "--to", "-") == 0
    (webhook,) = client.webhooks.list()
    assert command.out == "".join(f"{secret}\n" for secret in signing_secrets(http_api))
    assert command.err == f"{webhook.id}\n"
    assert command("webhooks", "rotate", webhook.id, "--to", "-") == 0
    assert command.out == signing_secrets(http_api)[0] + "\n"


def test_a_terminal_shows_no_secret(command: Command, client: Client, http_api: HttpApi, webhook: str) -> None:
    before = signing_secrets(http_api)
    assert command("webhooks", "create", URL, "--event", "file.indexed", "--to", "-", pretty=True) == Exit.USAGE
    assert command("webhooks", "rotate", webhook, "--to", "-", pretty=True) == Exit.USAGE
    assert (len([*client.webhooks.list()]), signing_secrets(http_api)) == (1, before)


def test_a_rotated_secret_replaces_the_file_of_the_one_before_which_still_signs(
    command: Command, http_api: HttpApi, tmp_path: Path
) -> None:
    to = tmp_path / "hook.secret"
    ((id,),) = command.lines("webhooks", "create", URL, "--event", "file.indexed", "--to", to)
    before = to.read_text().strip()
    assert command.lines("webhooks", "rotate", id, "--to", to) == [[id]]
    assert signing_secrets(http_api) == (to.read_text().strip(), before)
    assert "whsec" not in command.out + command.err


def test_no_secret_is_made_for_a_file_that_cannot_be_written(
    command: Command, client: Client, http_api: HttpApi, webhook: str, tmp_path: Path
) -> None:
    before = signing_secrets(http_api)
    to = tmp_path / "nowhere" / "hook.secret"
    assert command("webhooks", "rotate", webhook, "--to", to) == Exit.FAILED
    assert command("webhooks", "create", URL, "--event", "file.indexed", "--to", to) == Exit.FAILED
    assert signing_secrets(http_api) == before
    assert len(client.webhooks.list()) == 1


def test_a_test_waits_for_the_answer_and_tells_by_its_exit_code_whether_it_was_one_of_success(
    command: Command, http_api: HttpApi, webhook: str
) -> None:
    ((_, event, state, attempts, answer, _),) = command.lines("webhooks", "test", webhook)
    assert (event, state, attempts, answer) == ("webhook.test", "delivered", "1", "204")
    assert command.pauses == [1.0]
    http_api.ports.webhook_sender.status[URL] = 500
    http_api.ports.clock.pass_by(timedelta(seconds=1))
    assert command("webhooks", "test", webhook) == Exit.INCOMPLETE
    assert command.out.split("\t")[2:5] == ["pending", "1", "500"]
    http_api.ports.webhook_sender.status[URL] = None
    http_api.ports.clock.pass_by(timedelta(seconds=1))
    assert command("webhooks", "test", webhook, "--json") == Exit.INCOMPLETE
    (delivery,) = json.loads(command.out)
    assert "no answer" in delivery["answers"][0]["error"]


def test_a_worker_that_does_not_come_is_not_waited_for_forever(command: Command, webhook: str) -> None:
    command.pauses = []
    assert command("webhooks", "test", webhook) == Exit.INCOMPLETE
    assert sum(command.pauses) == 25


def test_deliveries_are_listed_by_state_and_replayed(command: Command, http_api: HttpApi, webhook: str) -> None:
    sent = []
    for _ in range(3):
        http_api.ports.clock.pass_by(timedelta(seconds=1))
        sent.append(command.lines("webhooks", "test", webhook)[0][-1])
    assert [line[-1] for line in command.lines("webhooks", "deliveries", webhook)] == sent[::-1]
    assert [line[-1] for line in command.lines("webhooks", "deliveries", webhook, "--limit", 2)] == sent[:0:-1]
    assert command.lines("webhooks", "deliveries", webhook, "--state", "failed") == []
    assert command("webhooks", "replay", webhook, sent[0]) == 0
    command.pauses.append(0.0)
    assert [request.message for request in http_api.ports.webhook_sender.sent].count(sent[0]) == 2
    assert command("webhooks", "replay", webhook, "msg_" + "0" * 32) == Exit.NOT_FOUND


def test_a_webhook_is_disabled_enabled_and_deleted(command: Command, client: Client, webhook: str) -> None:
    assert command("webhooks", "disable", webhook) == 0
    assert command.lines("webhooks")[0][1] == "disabled: by a member"
    assert command("webhooks", "enable", webhook) == 0
    assert client.webhooks.get(webhook).enabled
    assert command("webhooks", "delete", webhook, "--yes") == 0
    assert client.webhooks.list() == ()
    assert command("webhooks", "delete", webhook, "--yes") == Exit.NOT_FOUND
