"""When a request is sent again, and after how long."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from similarix_sdk.requests import Response

_STATUSES = frozenset({429, 500, 502, 503, 504})
# Its owner must change a permission first.
_HOPELESS = "source_denied"
_IN_PROGRESS = "idempotency_key_in_use"


@dataclass(frozen=True)
class RetryPolicy:
    """How often, and how soon, what failed is tried again.

    A pause is what the response asks for in ``Retry-After``; without that it grows from ``first_pause`` by the factor
    two and is drawn from its upper half, so that many clients do not come back at once. An error whose pause would be
    longer than ``longest_pause`` seconds is raised at once.
    """

    attempts: int = 5
    first_pause: float = 0.5
    longest_pause: float = 60.0
    draw: Callable[[], float] = random.random

    def pause(self, attempt: int, response: Response | None) -> float | None:
        """The seconds to wait after this attempt, of which the first is 1; None if there is to be no other.

        Without a response, the connection failed.
        """
        if attempt >= self.attempts or not (response is None or _may_succeed_later(response)):
            return None
        asked = retry_after(response) if response is not None else None
        if asked is None:
            backoff: float = min(self.first_pause * 2.0 ** (attempt - 1), self.longest_pause)
            return backoff * (1 + self.draw()) / 2
        return asked if asked <= self.longest_pause else None


NO_RETRIES = RetryPolicy(attempts=1)


def retry_after(response: Response) -> float | None:
    """The seconds of ``Retry-After``, which may be a date: RFC 9110, section 10.2.3."""
    value = response.headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _may_succeed_later(response: Response) -> bool:
    if response.status == 409:
        return _IN_PROGRESS.encode() in response.body
    return response.status in _STATUSES and _HOPELESS.encode() not in response.body
