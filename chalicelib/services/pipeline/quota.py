"""The quota of an account's plan that the objects of its connected buckets take.

The exact count is kept elsewhere: one transaction writes the records, counts them and checks the plan's limits. Here
the remaining quota is read beforehand, so that no object is embedded only to be refused. Files of managed collections
have reserved their quota before their bytes arrived (docs/decisions/0011, 0015).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.files import OVER_PLAN, FileState, PendingWrite
from chalicelib.domain.index_plan import EmbeddingRequest
from chalicelib.domain.messages import INDEX_BATCH_SIZE
from chalicelib.domain.plans import Plan, RemainingQuota
from chalicelib.domain.uploads import month_of
from chalicelib.services.ports import Accounts, Clock, QuotaLedger


@dataclass(frozen=True, slots=True)
class QuotaAllocator:
    """Allocates what an account may still take; without a ``plan`` there is no limit."""

    plan: Plan | None
    remaining: RemainingQuota

    def reserve(self, writes: Sequence[PendingWrite], model: str) -> list[PendingWrite]:
        """Take quota for records; those that exceed it are returned as failed for that reason."""
        return [write if self.remaining.take(*write.usage_delta) else self._over_plan(write, model) for write in writes]

    def allocate(self, requests: Sequence[EmbeddingRequest]) -> tuple[list[EmbeddingRequest], list[EmbeddingRequest]]:
        """Take quota for objects; returns those that have it now, and those that exceed it."""
        allocated: list[EmbeddingRequest] = []
        waiting: list[EmbeddingRequest] = []
        for request in requests:
            (allocated if self.remaining.take(*_usage_delta(request)) else waiting).append(request)
        return allocated, waiting

    def refund(self, request: EmbeddingRequest) -> None:
        """Return the quota of an object that cannot be embedded."""
        self.remaining.refund(*_usage_delta(request))

    def over_plan(self, request: EmbeddingRequest, model: str) -> PendingWrite:
        """The record of an object that exceeds the quota."""
        return self._over_plan(replace(request.write, record=request.record), model)

    def _over_plan(self, write: PendingWrite, model: str) -> PendingWrite:
        assert self.plan is not None
        detail = (
            f"The plan allows {self.plan.files:,} files of {self.plan.bytes:,} bytes together. This one exceeds it. "
            "Remove some files or change the plan, then sync."
        )
        return replace(write, record=write.record.as_failed(model, OVER_PLAN, detail))


@dataclass(frozen=True, slots=True)
class QuotaService:
    accounts: Accounts
    quota_ledger: QuotaLedger
    now: Clock

    def allocator(self, collection: Collection) -> QuotaAllocator:
        """The quota that remains now; other workers may take it before it is used."""
        if collection.type is CollectionType.MANAGED:
            return QuotaAllocator(None, RemainingQuota(sys.maxsize, sys.maxsize))
        account = self.accounts.account(collection.account)
        assert account is not None
        plan = account.subscription.effective_plan
        usage = self.quota_ledger.usage(collection.account, month_of(self.now()))
        return QuotaAllocator(plan, RemainingQuota(plan.files - usage.files, plan.bytes - usage.bytes))

    def retry_budget(self, collection: Collection) -> int:
        """How many files that were over the plan's limit to retry: a batch more than the plan allows now.

        Some of them may be no pictures and leave their quota to the next.
        """
        remaining = self.allocator(collection).remaining
        return remaining.files + INDEX_BATCH_SIZE if remaining.files > 0 and remaining.bytes > 0 else 0


def _usage_delta(request: EmbeddingRequest) -> tuple[int, int]:
    indexed = replace(request.record, state=FileState.INDEXED)
    return replace(request.write, record=indexed).usage_delta
