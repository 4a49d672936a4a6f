"""Whether what an account is said to have of its plan adds up to what its collections and uploads have."""

from dataclasses import dataclass

from chalicelib.domain.collections import CollectionType
from chalicelib.domain.uploads import month_of
from chalicelib.services.ports import Clock, Collections, QuotaLedger


@dataclass(frozen=True, slots=True)
class AccountAudit:
    """Files and bytes as an account states them, and as its parts add up to."""

    account: str
    stated: tuple[int, int]
    counted: tuple[int, int]

    @property
    def matches(self) -> bool:
        return self.stated == self.counted


@dataclass(frozen=True, slots=True)
class AccountTotals:
    collections: Collections
    quota_ledger: QuotaLedger
    now: Clock

    def of(self, account: str) -> AccountAudit:
        # First, so that a correction is refused where anything is indexed from here on.
        usage = self.quota_ledger.usage(account, month_of(self.now()))
        customers = [c for c in self.collections.of_account(account) if c.type is not CollectionType.MANAGED]
        files = usage.managed_files + sum(each.total_files for each in customers)
        size = usage.managed_bytes + sum(each.total_size for each in customers)
        return AccountAudit(account, (usage.files, usage.bytes), (files, size))

    def correct(self, found: AccountAudit) -> bool:
        """Have the account state what was counted, unless that has moved since; answers whether it does."""
        return self.quota_ledger.fix_usage(found.account, found.stated, found.counted)
