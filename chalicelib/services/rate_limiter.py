"""Admits requests within the rate of their token."""

from dataclasses import dataclass

from chalicelib.domain.rates import RateLimit, RateStatus, microseconds, whole_seconds
from chalicelib.services.ports import Clock, RateBuckets

LEASES_MAX = 1_000  # that a process remembers


@dataclass(slots=True)
class _Lease:
    """What this process knows of a bucket: requests that it has taken and not spent, and when the bucket is full."""

    limit: RateLimit
    unspent: int = 0
    full_at: int = 0
    empty_until: int = 0


class RateLimiter:
    """Takes a chunk of requests from a token's bucket and spends it, so that most requests write nothing.

    Between two moments no more requests are admitted than the bucket had at the first and was filled with until the
    second, and those that processes had taken before. A process that ends loses what it has not spent.
    """

    def __init__(self, buckets: RateBuckets, now: Clock) -> None:
        self._buckets = buckets
        self._now = now
        self._leases: dict[tuple[str, str, str], _Lease] = {}

    def admit(self, account: str, token: str, limit: RateLimit) -> RateStatus:
        """Whether a request of the token, by its id, may be served now; counts it if so."""
        now = microseconds(self._now())
        lease = self._lease(account, token, limit)
        if lease.unspent == 0 and now >= lease.empty_until:
            taking = self._buckets.take(account, token, limit, now)
            lease.full_at = taking.full_at
            if taking.taken:
                lease.unspent = limit.chunk
            else:
                # Until then it would be refused again: a caller who does not wait costs no write.
                lease.empty_until = limit.chunk_at(taking.full_at)
        if lease.unspent == 0:
            return RateStatus(limit, admitted=False, remaining=0, seconds=whole_seconds(lease.empty_until - now))
        lease.unspent -= 1
        remaining = min(limit.quota, lease.unspent + limit.remaining(lease.full_at, now))
        return RateStatus(limit, admitted=True, remaining=remaining, seconds=whole_seconds(lease.full_at - now))

    def _lease(self, account: str, token: str, limit: RateLimit) -> _Lease:
        key = (account, token, limit.name)
        lease = self._leases.get(key)
        if lease is None or lease.limit != limit:  # the account has another plan since
            if len(self._leases) >= LEASES_MAX:
                self._leases.clear()
            lease = self._leases[key] = _Lease(limit)
        return lease
