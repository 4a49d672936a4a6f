"""Plans: what each allows, in one place. No other code refers to a plan by its name."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chalicelib.domain.collections import AutoSync
from chalicelib.domain.rates import Rate, RateLimit

GB, TB = 10**9, 10**12
# All webhooks of an account are one item of DynamoDB, which has at most 400 KB:
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
WEBHOOKS_MAX = 50
LIMIT_NAMES = ("collections", "files", "bytes", "managed_bytes", "uploads_a_month", "webhooks")
RATE_NAMES = ("searches_a_minute", "uploads_a_minute")
_ALL_INTERVALS = frozenset(AutoSync)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an account may use.

    Args:
        api_access: whether the API accepts the account's tokens.
        collections: how many collections the account may have.
        files: how many files may be indexed, in all collections and with uploads under way.
        bytes: their total size.
        managed_bytes: the size of managed storage, with uploads under way.
        uploads_a_month: how many uploads may succeed within a calendar month, UTC.
        webhooks: how many endpoints the account may have that are told of events.
        searches_a_minute, uploads_a_minute: how many requests of one token are served at once, and within each minute
            after that.
        auto_sync: the intervals that a collection may have.
    """

    name: str
    api_access: bool
    collections: int
    files: int
    bytes: int
    managed_bytes: int
    uploads_a_month: int
    webhooks: int
    searches_a_minute: int
    uploads_a_minute: int
    auto_sync: frozenset[AutoSync] = field(default=_ALL_INTERVALS)

    def with_limits(self, limits: Mapping[str, int]) -> "Plan":
        """The plan with limits of one account's own.

        Raises:
            ValueError: a limit has an unknown name, or is negative, or a rate is 0, or there are more than
                ``WEBHOOKS_MAX`` webhooks.
        """
        names = (*LIMIT_NAMES, *RATE_NAMES)
        for name, value in limits.items():
            if name not in names:
                raise ValueError(f"There is no limit {name!r}. The limits are {', '.join(names)}.")
            if value < 0:
                raise ValueError(f"The limit {name!r} cannot be negative.")
            if value == 0 and name in RATE_NAMES:
                raise ValueError(f"The limit {name!r} is 1 at least.")
            if name == "webhooks" and value > WEBHOOKS_MAX:
                raise ValueError(f"The limit {name!r} is {WEBHOOKS_MAX} at most.")
        return replace(self, **limits)  # type: ignore[arg-type]  # only the names above, all of them numbers

    @property
    def served_webhooks(self) -> int:
        """How many endpoints that are enabled are told of events: none without the API."""
        return self.webhooks if self.api_access else 0

    def rate_limit(self, rate: Rate) -> RateLimit:
        """The limit that each token of an account on this plan has."""
        return RateLimit(rate, self.searches_a_minute if rate is Rate.SEARCH else self.uploads_a_minute)


@dataclass(slots=True)
class RemainingQuota:
    """Files and bytes that an account may still take; negative when it is over its plan."""

    files: int
    bytes: int

    def take(self, files: int, size: int) -> bool:
        """Take the files and bytes if both fit; False if they do not. A number that is not positive always fits."""
        if (files > 0 and files > self.files) or (size > 0 and size > self.bytes):
            return False
        self.files -= max(0, files)
        self.bytes -= max(0, size)
        return True

    def refund(self, files: int, size: int) -> None:
        self.files += max(0, files)
        self.bytes += max(0, size)


PLANS = {
    plan.name: plan
    for plan in (
        Plan(
            "free",
            api_access=False,
            collections=1,
            files=1_000,
            bytes=5 * GB,
            managed_bytes=0,
            uploads_a_month=0,
            webhooks=0,
            searches_a_minute=60,
            uploads_a_minute=60,
            auto_sync=frozenset({AutoSync.MANUAL}),
        ),
        Plan(
            "pro",
            api_access=True,
            collections=10,
            files=100_000,
            bytes=500 * GB,
            managed_bytes=50 * GB,
            uploads_a_month=10_000,
            webhooks=5,
            searches_a_minute=600,
            uploads_a_minute=300,
        ),
        Plan(
            "business",
            api_access=True,
            collections=100,
            files=2_000_000,
            bytes=10 * TB,
            managed_bytes=1 * TB,
            uploads_a_month=200_000,
            webhooks=WEBHOOKS_MAX,
            searches_a_minute=6_000,
            uploads_a_minute=1_200,
        ),
    )
}
