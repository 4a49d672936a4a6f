"""The share of an account's plan that the objects of its connected buckets take.

What an account holds is counted in one place, in one transaction with what is indexed, and under the condition that the
plan allows it: that cannot go wrong. Here is looked beforehand how much room there is, so that nothing is embedded in
vain. Files of managed collections have had their share before their bytes came: docs/decisions/0011, 0015.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection, CollectionType
from chalicelib.domain.files import OVER_PLAN, FileState, PendingWrite, as_failed, usage_delta
from chalicelib.domain.messages import INDEX_BATCH_SIZE
from chalicelib.domain.plans import Plan, RemainingQuota
from chalicelib.domain.uploads import month_of
from chalicelib.services.pipeline.embeddings import EmbeddingRequest
from chalicelib.services.ports import Accounts, Clock, QuotaLedger


@dataclass(frozen=True, slots=True)
class QuotaAllocator:
    """What a collection may still take; without a ``plan``, what it likes."""

    plan: Plan | None
    room: RemainingQuota

    def admit(self, drafts: Sequence[PendingWrite], model: str) -> list[PendingWrite]:
        """Records as they are to be written: those that find no room have failed for that reason."""
        return [
            draft if self.room.take(*usage_delta(draft.record, draft.previous)) else self._refused(draft, model)
            for draft in drafts
        ]

    def allocate(self, wanted: Sequence[EmbeddingRequest]) -> tuple[list[EmbeddingRequest], list[EmbeddingRequest]]:
        """Those that there is room for, which is theirs from now on, and those that there is none for."""
        admitted: list[EmbeddingRequest] = []
        left: list[EmbeddingRequest] = []
        for each in wanted:
            (admitted if self.room.take(*_growth(each)) else left).append(each)
        return admitted, left

    def refund(self, wanted: EmbeddingRequest) -> None:
        """No picture came of it."""
        self.room.refund(*_growth(wanted))

    def refused(self, wanted: EmbeddingRequest, model: str) -> PendingWrite:
        return self._refused(replace(wanted.draft, record=wanted.as_found), model)

    def _refused(self, draft: PendingWrite, model: str) -> PendingWrite:
        assert self.plan is not None
        detail = (
            f"The plan allows {self.plan.files:,} files of {self.plan.bytes:,} bytes together, and has no room for it. "
            "Remove some files, or change the plan, then sync."
        )
        return replace(draft, record=as_failed(draft.record, model, OVER_PLAN, detail))


@dataclass(frozen=True, slots=True)
class QuotaService:
    accounts: Accounts
    quota_ledger: QuotaLedger
    now: Clock

    def of(self, collection: Collection) -> QuotaAllocator:
        """The room that there is at this moment; others may be about to take it."""
        if collection.type is CollectionType.MANAGED:
            return QuotaAllocator(None, RemainingQuota(sys.maxsize, sys.maxsize))
        account = self.accounts.account(collection.account)
        assert account is not None
        plan = account.subscription.effective_plan
        usage = self.quota_ledger.usage(collection.account, month_of(self.now()))
        return QuotaAllocator(plan, RemainingQuota(plan.files - usage.files, plan.bytes - usage.bytes))

    def again(self, collection: Collection) -> int:
        """At how many objects to look again that there was no room for: a batch more than there is room for now.

        Some of them may be no pictures, and leave their room to the next.
        """
        room = self.of(collection).room
        return room.files + INDEX_BATCH_SIZE if room.files > 0 and room.bytes > 0 else 0


def _growth(wanted: EmbeddingRequest) -> tuple[int, int]:
    indexed = replace(wanted.as_found, state=FileState.INDEXED)
    return usage_delta(indexed, wanted.draft.previous)
