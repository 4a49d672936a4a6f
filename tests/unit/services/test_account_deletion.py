"""A deleted account's tokens stop at once; all that belongs to it is removed, and nothing of another account."""

from datetime import timedelta

import pytest

from chalicelib.domain.accounts import NewToken, Scope, Subscription
from chalicelib.domain.errors import NotFound
from chalicelib.domain.messages import AccountDeletionStep
from chalicelib.domain.search_uploads import NewSearchUpload
from chalicelib.services.pipeline.deletion import EARLY_MESSAGE_RETRIES
from tests.factories import a_delivery
from tests.fakes.application import CONFIG
from tests.unit.services.harness import Harness, no_time, plenty

GRACE = timedelta(seconds=CONFIG.deletion_grace)


@pytest.fixture
def account(world: Harness) -> str:
    """An account with a token, a connected and a managed collection with a picture each, a query, and other items."""
    opened = world.app.accounts.open("a customer", Subscription("pro"))
    world.app.accounts.issue_token(opened.uuid, NewToken("n", Scope.ADMIN))
    connected = world.add(account=opened.uuid)
    world.put("a.jpg")
    world.sync(connected)
    managed = world.add_managed(opened.uuid)
    world.app.uploads.upload(world.caller_of(opened.uuid), managed, "b.jpg", b"a picture")
    world.ports.accounts.others[opened.uuid] = {f"source#bucket/{number}": {} for number in range(5)}
    world.ports.webhook_deliveries.add(a_delivery(opened.uuid, "an-endpoint"))
    upload, _ = world.app.search_uploads.prepare(world.caller_of(opened.uuid), NewSearchUpload(9, "image/jpeg"))
    world.ports.storage.put(upload.area, upload.key, b"a picture", "image/jpeg")
    return opened.uuid


def finish(world: Harness) -> None:
    """Deliver each message once, and those that follow after as long as they may be delayed, until none waits."""
    world.sqs.collect()
    for _ in range(6):
        for message in list(world.sqs.waiting):
            assert world.deliver(message)
        world.clock.pass_by(GRACE)
    assert world.sqs.waiting == []


def traces(world: Harness, account: str) -> list[str]:
    """The stores that have something of the account."""
    ports = world.ports
    stores = {
        "accounts": [
            *ports.accounts.stored.values(),
            *ports.accounts.issued.values(),
            ports.accounts.others.get(account),
        ],
        "collections": [*ports.collections.stored, *ports.registry.deleting],
        "catalogue": list(ports.catalogue.records.values()),
        "syncs": list(ports.syncs.batches.values()),
        "vectors": list(ports.vectors.documents.values()),
        "deliveries": list(ports.webhook_deliveries.stored.values()),
        "uploads": [*ports.quota_ledger.uploads, *ports.quota_ledger.charged],
        "managed bucket": list(ports.sources.bucket(ports.storage.bucket).objects),
    }
    owned = {c for owner, c in ports.collections.stored if owner == account}
    found = [name for name, stored in stores.items() if account in repr([item for item in stored if item])]
    return found + ["thumbnails" for collection, _ in ports.storage.thumbnails if collection in owned]


def test_tokens_are_gone_when_the_deletion_begins_and_none_can_be_issued(world: Harness, account: str) -> None:
    world.app.account_deletion.begin(account)
    assert world.app.accounts.tokens(account) == []
    with pytest.raises(NotFound):
        world.app.accounts.issue_token(account, NewToken("n", Scope.READ))
    with pytest.raises(NotFound):
        world.app.account_deletion.begin(account)


def test_everything_of_the_account_is_removed_and_nothing_of_another(world: Harness, account: str) -> None:
    other = world.app.accounts.open("another", Subscription("pro")).uuid
    kept = world.add_managed(other)
    world.app.uploads.upload(world.caller_of(other), kept, "b.jpg", b"a picture")
    assert len(traces(world, account)) > 7
    before = traces(world, other)
    world.app.account_deletion.begin(account)
    finish(world)
    assert traces(world, account) == []
    assert traces(world, other) == before
    assert "a.jpg" in world.bucket.objects, "a customer's bucket is left alone"
    assert world.searchable(kept) == {f"{kept.prefix}b.jpg"}


def test_account_itself_is_kept_until_no_request_or_worker_can_be_running(world: Harness) -> None:
    account = world.app.accounts.open("without collections", Subscription("pro")).uuid
    world.app.account_deletion.begin(account)
    world.ports.queues.deletions.clear()
    world.app.account_deletion.run(AccountDeletionStep(account), plenty)
    ((step, delay),) = world.ports.queues.deletions
    assert (step, delay) == (AccountDeletionStep(account, continuation=1), CONFIG.deletion_grace)
    assert account in world.ports.accounts.stored
    world.clock.pass_by(GRACE)
    world.app.account_deletion.run(step, plenty)
    assert account not in world.ports.accounts.stored
    world.app.account_deletion.run(step, plenty)  # its message is delivered twice


def test_collection_that_a_request_creates_at_the_last_moment_is_removed_too(world: Harness, account: str) -> None:
    world.app.account_deletion.begin(account)
    world.sqs.collect()
    assert world.deliver(world.sqs.waiting[0])
    world.add_managed(account)
    finish(world)
    assert traces(world, account) == []


def test_deletion_that_takes_longer_than_a_worker_may_run_is_continued(world: Harness) -> None:
    account = world.app.accounts.open("with many folders", Subscription("pro")).uuid
    world.ports.accounts.others[account] = {f"source#bucket/{number}": {} for number in range(5)}
    world.app.account_deletion.begin(account)
    world.clock.pass_by(GRACE)
    messages = 0
    while world.ports.queues.deletions:
        ((step, _),) = world.ports.queues.deletions
        world.ports.queues.deletions.clear()
        world.app.account_deletion.run(step, no_time)
        messages += 1
    assert messages == 4
    assert account not in world.ports.accounts.stored


def test_message_before_the_mark_is_retried_a_few_times_and_a_failed_request_deletes_nothing(
    world: Harness, account: str
) -> None:
    world.ports.queues.down = True
    with pytest.raises(ConnectionError):
        world.app.account_deletion.begin(account)
    world.ports.queues.down = False
    step = AccountDeletionStep(account)
    for _ in range(EARLY_MESSAGE_RETRIES):
        world.app.account_deletion.run(step, plenty)
        ((step, _),) = world.ports.queues.deletions
        world.ports.queues.deletions.clear()
    world.app.account_deletion.run(step, plenty)
    assert world.ports.queues.deletions == []
    assert len(world.app.accounts.tokens(account)) == 1
