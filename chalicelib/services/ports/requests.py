"""Ports that a request needs beside the records it reads."""

from collections.abc import Callable
from typing import Protocol

from chalicelib.domain.idempotency import KeyedRequest
from chalicelib.domain.links import SigningKeys
from chalicelib.domain.rates import RateLimit, Taking
from chalicelib.domain.search_uploads import SearchUpload


class SigningKeyStore(Protocol):
    """The keys that sign links, one pair for the deployment."""

    def read_or_create(self, new: SigningKeys) -> SigningKeys:
        """Return the stored keys, or store these if there are none."""

    def replace(self, current: SigningKeys, new: SigningKeys) -> None:
        """Replace the keys; raises StaleWrite if the current ones are others."""


class IdempotentAnswers(Protocol):
    """The answers to requests with an idempotency key, for ``idempotency.ANSWERS_KEPT``."""

    def answer(self, request: KeyedRequest, milliseconds_left: int, respond: Callable[[], str]) -> tuple[str, bool]:
        """Return the answer of ``respond``, or the one kept of an earlier request, and whether it was kept.

        Errors that ``respond`` raises rise, and nothing is kept of them.

        Args:
            respond: makes an answer of at most ``idempotency.ANSWER_LIMIT`` bytes.
            milliseconds_left: until this process is ended: the key is free again then, whatever has happened to it.

        Raises:
            IdempotencyKeyInUse: a request with this key is in progress.
            IdempotencyKeyReused: the earlier request had another payload.
            Unavailable: the database refused it; what ``respond`` has made is made.
        """


class SearchUploads(Protocol):
    """Pictures that accounts have uploaded to search by; an expired one may be there or not."""

    def add(self, upload: SearchUpload, limit: int) -> bool:
        """Store an upload; False if its account has added ``limit`` in the hour of its ``created_at``."""

    def get(self, account: str, upload_id: str) -> SearchUpload | None: ...
    def remove(self, account: str, upload_id: str) -> None: ...


class RateBuckets(Protocol):
    """A bucket of requests for each token and limit, which all processes share."""

    def take(self, account: str, token: str, limit: RateLimit, now: int) -> Taking:
        """Take a chunk of requests, or nothing where the bucket has less than one.

        Args:
            token: its id.
            now: microseconds since 1970.
        """
