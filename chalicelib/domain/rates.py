"""Rates: how many requests a token may make, as a bucket that fills evenly.

A bucket is stored as one number, the time at which it will be full again: taking a request moves it, and the passing
of time fills the bucket without a write. It is the generic cell rate algorithm (ITU-T I.371, annex A), in
microseconds since 1970. Processes take requests from a bucket in chunks and spend them without another write.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

WINDOW_SECONDS = 60
CHUNK_MAX = 25  # requests that a process takes at once
CHUNKS_MIN = 10  # of a full bucket, so that several processes share a small one
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_WINDOW = WINDOW_SECONDS * 1_000_000


class Rate(StrEnum):
    """What is limited for each token, by the name of the policy in the header ``RateLimit-Policy``."""

    SEARCH = "search"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many requests at once, and as many more within each minute.

    Args:
        name: of the limit: the buckets of one token are apart by it.
        quota: requests that a full bucket has, 1 at least; it fills within a minute.
    """

    name: str
    quota: int

    @property
    def chunk(self) -> int:
        """How many requests a process takes at once."""
        return max(1, min(CHUNK_MAX, self.quota // CHUNKS_MIN))

    @property
    def chunk_cost(self) -> int:
        """Microseconds in which the bucket fills by a chunk, rounded down, so that a full one has the whole quota."""
        return _WINDOW * self.chunk // self.quota

    def chunk_at(self, full_at: int) -> int:
        """The time from which on a bucket has a chunk, if it will be full at that time."""
        return full_at + self.chunk_cost - _WINDOW

    def remaining(self, full_at: int, now: int) -> int:
        """Requests that a bucket has now, if it will be full at that time."""
        return min(self.quota, max(0, (now + _WINDOW - full_at) * self.quota // _WINDOW))


@dataclass(frozen=True, slots=True)
class Taking:
    """The outcome of an attempt to take a chunk: whether it was taken, and when the bucket will be full."""

    taken: bool
    full_at: int


@dataclass(frozen=True, slots=True)
class RateStatus:
    """What a limit says to one request.

    Args:
        admitted: whether the request may be served.
        remaining: requests that are left, as far as this process knows.
        seconds: until the bucket is full; of a request that was refused, until it is worth another attempt.
    """

    limit: RateLimit
    admitted: bool
    remaining: int
    seconds: int


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def whole_seconds(span: int) -> int:
    """Microseconds as seconds, rounded up, 1 at least."""
    return max(1, -(-span // 1_000_000))
