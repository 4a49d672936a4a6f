"""Deletes an account: its tokens at once, then its collections, then what else is stored with it, and it last.

Each message does what it finds to do, so one that is delivered twice, or begins again after a crash, does no harm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.domain.errors import Conflict, NotFound, StaleWrite
from chalicelib.domain.messages import AccountDeletionStep, next_continuation
from chalicelib.domain.search_uploads import SearchUploadArea
from chalicelib.services.pipeline.deletion import EARLY_MESSAGE_DELAY_SECONDS, EARLY_MESSAGE_RETRIES, Deletion
from chalicelib.services.ports import (
    Accounts,
    Clock,
    CollectionRegistry,
    Collections,
    ManagedStorage,
    Queues,
    Users,
    WebhookDeliveries,
)

MIN_WAIT_SECONDS = 5  # between two looks whether the collections are gone, however short the grace is
ACCOUNT_WRITE_ATTEMPTS = 5  # for an account that others change at the same time


@dataclass(frozen=True, slots=True)
class AccountDeletion:
    """Args:
    grace_seconds: after it no request or worker runs any more that began before the account was marked as deleted.
    """

    accounts: Accounts
    users: Users
    deliveries: WebhookDeliveries
    collections: Collections
    registry: CollectionRegistry
    deletion: Deletion
    storage: ManagedStorage
    queues: Queues
    now: Clock
    grace_seconds: int

    def begin(self, account_id: str) -> None:
        """Remove the account's tokens, and have all its data removed.

        Raises:
            NotFound: there is no such account, or it is deleted already.
            Conflict: other requests kept changing it.
        """
        # The message first: an account that is marked without a message would keep its data for ever.
        self.queues.send_deletion(AccountDeletionStep(account_id))
        for _ in range(ACCOUNT_WRITE_ATTEMPTS):
            account = self.accounts.account(account_id)
            if account is None or account.deleted_at is not None:
                raise NotFound("There is no such account.")
            try:
                self.accounts.begin_deletion(account, self.now())
            except StaleWrite:
                continue
            return
        raise Conflict("The account is being changed by another request. Try again in a moment.")

    def run(self, step: AccountDeletionStep, seconds_left: Callable[[], float]) -> None:
        """Remove what can be removed now; a further message follows for what must wait.

        Raises:
            ContinuationLimit: too many have followed.
        """
        account = self.accounts.account(step.account)
        if account is None:
            return
        if account.deleted_at is None:  # not marked yet, or never to be marked because the request failed
            if step.early < EARLY_MESSAGE_RETRIES:
                self.queues.send_deletion(replace(step, early=step.early + 1), delay=EARLY_MESSAGE_DELAY_SECONDS)
            return
        # Also those that a request has created whose token was checked before the account was marked.
        for collection in self.collections.of_account(account.uuid):
            self.deletion.begin(collection)
        settled = self.now() >= account.deleted_at + timedelta(seconds=self.grace_seconds)
        if not settled or self.registry.has_collections(account.uuid):
            self._continue(step, delay=max(MIN_WAIT_SECONDS, self.grace_seconds))
            return
        self.users.clear_account(account.uuid)
        area = SearchUploadArea(account.uuid)
        while (
            self.storage.delete_page(area)
            or self.deliveries.delete_page(account.uuid)
            or self.accounts.delete_page(account.uuid)
        ):
            if seconds_left() <= 0:
                self._continue(step)
                return
        self.accounts.end_deletion(account.uuid)

    def _continue(self, step: AccountDeletionStep, *, delay: int = 0) -> None:
        continued = replace(step, continuation=next_continuation(step.continuation))
        self.queues.send_deletion(continued, delay=delay)
