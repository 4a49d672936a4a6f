"""Webhooks: a list, a new one, a test, deliveries and their repetition, another secret, and an end."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO
from urllib.parse import urlsplit

import typer

from similarix_sdk.cli.arguments import AsJson, find_collections
from similarix_sdk.cli.credentials import private_file
from similarix_sdk.cli.exits import Exit
from similarix_sdk.cli.session import Session, session_of
from similarix_sdk.models import Webhook, WebhookDelivery

HEADER = ("receiver", "state", "events", "description", "id")
# A receiver has 15 seconds to answer, and the worker a moment to begin.
LOOKS, SECONDS = 25, 1.0
PENDING, DELIVERED = "pending", "delivered"

WebhookId = Annotated[str, typer.Argument(help="The webhook's id.", metavar="ID")]
SecretFile = Annotated[
    str,
    typer.Option(
        "--to", help="The file that gets the secret; only you can read it. '-' is standard output.", metavar="FILE"
    ),
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Tell a server of yours of syncs and files.", invoke_without_command=True)
    group.callback()(show)
    for command in (create, deliveries, replay, rotate, enable, disable, delete):
        group.command()(command)
    group.command("test")(try_out)
    app.add_typer(group, name="webhooks")


def show(context: typer.Context, as_json: AsJson = False) -> None:
    """List the account's webhooks without their secrets, or do something with one.

    Of a receiver's URL the list has the beginning, because the rest is often a secret; --json has all of it.
    """
    if context.invoked_subcommand is not None:
        return
    session = session_of(context)
    with session.client() as client:
        webhooks = client.webhooks.list()
    if as_json:
        session.output.json(webhooks)
    else:
        session.output.rows(HEADER, (_cells(webhook) for webhook in webhooks))


def create(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="The receiver: HTTPS on a public address.", metavar="URL")],
    event: Annotated[list[str], typer.Option(help="Such as sync.completed or file.failed; may be repeated.")],
    to: SecretFile,
    within: Annotated[list[str] | None, typer.Option("--in", help="Only for this collection; may be repeated.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
) -> None:
    """Create a webhook. Prints its id; the secret, by which the receiver knows us, is written into a file.

    similarix webhooks create https://shop.example/hooks --event file.indexed --to hook.secret

    With '--to -' standard output has the secret alone, for a pipe into your store of secrets; it is not shown again.
    """
    if to != "-" and Path(to).exists():
        raise typer.BadParameter(f"{to} exists.")
    session = session_of(context)
    # A secret that no file takes would sign, and nobody could check it.
    with session.client() as client, _secret_file(session, to) as file:
        created = client.webhooks.create(
            url, event, collections=find_collections(client, within) if within else None, description=description
        )
        file.write(created.secret + "\n")
    _tell(session, to, created.webhook.id)


def rotate(context: typer.Context, id: WebhookId, to: SecretFile) -> None:
    """Give a webhook a new secret, which is written into a file; for a day the one before signs, too.

    A file that exists is replaced. Twice makes a secret that has leaked worthless at once.
    """
    session = session_of(context)
    with session.client() as client, _secret_file(session, to) as file:
        file.write(client.webhooks.rotate_secret(id).secret + "\n")
    _tell(session, to, id)


def try_out(context: typer.Context, id: WebhookId, as_json: AsJson = False) -> None:
    """Send a test, and wait for the receiver's answer. The exit code is 6 if it is not one of success."""
    session = session_of(context)
    with session.client() as client:
        delivery = client.webhooks.test(id)
        for _ in range(LOOKS):
            if delivery.state != PENDING or delivery.attempts:
                break
            session.sleep(SECONDS)
            delivery = client.webhooks.delivery(id, delivery.id).delivery
    _show(session, [delivery], as_json)
    if delivery.state != DELIVERED:
        raise typer.Exit(Exit.INCOMPLETE)


def deliveries(
    context: typer.Context,
    id: WebhookId,
    state: Annotated[str | None, typer.Option(help="Only those that are pending, delivered or failed.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """List what was sent within seven days, the newest first, with the latest answer of each."""
    session = session_of(context)
    with session.client() as client:
        found = list(islice(client.webhooks.deliveries(id, state=state, limit=min(limit, 100)), limit))
    _show(session, found, as_json)


def replay(
    context: typer.Context,
    id: WebhookId,
    delivery: Annotated[str, typer.Argument(help="The delivery's id.", metavar="DELIVERY")],
) -> None:
    """Send a delivery again that has ended, with the same id and body."""
    session = session_of(context)
    with session.client() as client:
        client.webhooks.replay(id, delivery)
    session.output.say("It is sent again.")


def enable(context: typer.Context, id: WebhookId) -> None:
    """Send events again to a webhook that was disabled; what happened meanwhile is not sent."""
    session = session_of(context)
    with session.client() as client:
        client.webhooks.change(id, enabled=True)
    session.output.say("It is enabled.")


def disable(context: typer.Context, id: WebhookId) -> None:
    """Send no events to a webhook, and keep it."""
    session = session_of(context)
    with session.client() as client:
        client.webhooks.change(id, enabled=False)
    session.output.say("It is disabled.")


def delete(
    context: typer.Context,
    id: WebhookId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a webhook; its deliveries are no longer shown."""
    session = session_of(context)
    with session.client() as client:
        webhook = client.webhooks.get(id)
        if not yes:
            typer.confirm(f"Delete the webhook of {_receiver(webhook)}?", abort=True, err=True)
        client.webhooks.delete(id)
    session.output.say("It is deleted.")


@contextmanager
def _secret_file(session: Session, to: str) -> Iterator[TextIO]:
    if to == "-":
        if session.output.pretty:
            raise typer.BadParameter("Standard output is a terminal, which shows no secret: name a file, or pipe it.")
        yield session.output.out
        session.output.out.flush()
    else:
        with private_file(Path(to)) as file:
            yield file


def _tell(session: Session, to: str, id: str) -> None:
    """Print the webhook's id, where standard output has not got the secret."""
    if to == "-":
        session.output.complain(id)
    else:
        session.output.line(id)
        session.output.complain(f"The secret is in {to}.")


def _show(session: Session, found: list[WebhookDelivery], as_json: bool) -> None:
    if as_json:
        session.output.json(found)
        return
    rows = ((f"{d.at:%Y-%m-%d %H:%M:%S}", d.type, d.state, d.attempts, _answer(d), d.id) for d in found)
    session.output.rows(("at", "event", "state", "attempts", "answer", "id"), rows)


def _answer(delivery: WebhookDelivery) -> str:
    if not delivery.answers:
        return ""
    answer = delivery.answers[-1]
    return " ".join(str(part) for part in (answer.status, answer.error) if part is not None)


def _cells(webhook: Webhook) -> tuple[object, ...]:
    state = "enabled" if webhook.enabled else f"disabled: {webhook.disabled_reason or 'by a member'}"
    if webhook.enabled and webhook.failing_since is not None:
        state = f"failing since {webhook.failing_since:%Y-%m-%d %H:%M}"
    return _receiver(webhook), state, " ".join(webhook.events), webhook.description, webhook.id


def _receiver(webhook: Webhook) -> str:
    parts = urlsplit(webhook.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"
