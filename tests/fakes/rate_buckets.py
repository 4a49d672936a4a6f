"""The buckets of tokens' rates in memory."""

from chalicelib.domain.rates import RateLimit, Taking


class FakeRateBuckets:
    """``attempts`` counts the calls, each of which is one or two writes."""

    def __init__(self) -> None:
        self.attempts = 0
        self._full_at: dict[tuple[str, str, str], int] = {}

    def take(self, account: str, token: str, limit: RateLimit, now: int) -> Taking:
        self.attempts += 1
        key = (account, token, limit.name)
        full_at = max(now, self._full_at.get(key, 0))
        if limit.chunk_at(full_at) > now:
            return Taking(False, full_at)
        self._full_at[key] = full_at + limit.chunk_cost
        return Taking(True, self._full_at[key])
