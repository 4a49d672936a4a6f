"""What an account is said to have is held against its collections, and corrected only where nobody has moved it."""

from chalicelib.domain.collections import CollectionType
from chalicelib.services.maintenance.account_totals import AccountTotals
from tests.factories import a_collection
from tests.fakes.clock import FakeClock
from tests.fakes.collections import FakeCollections
from tests.fakes.quota_ledger import FakeQuotaLedger


def test_an_account_from_before_it_was_counted_is_corrected_unless_it_moves() -> None:
    collections, allowances = FakeCollections(), FakeQuotaLedger()
    totals, first = AccountTotals(collections, allowances, FakeClock()), a_collection(total_files=2, total_size=30)
    collections.add(first)
    collections.add(a_collection(account=first.account, total_files=1, total_size=5))
    collections.add(a_collection(account=first.account, type=CollectionType.MANAGED, total_files=7, total_size=70))
    found = totals.of(first.account)
    assert (found.stated, found.counted, found.matches) == ((0, 0), (3, 35), False)
    assert totals.correct(found)
    now = totals.of(first.account)
    assert now.matches
    allowances.move(first.account, 1, 5)
    assert not totals.correct(now), "it has moved since"
