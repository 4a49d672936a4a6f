"""Deliveries of events to the endpoints of webhooks: attempts, their answers, and how often one is made."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from chalicelib.domain.errors import NotFound
from chalicelib.domain.webhook_events import WebhookEvent

# A receiver that takes longer answers before it works: the specification asks senders for 15 to 30 s.
ATTEMPT_SECONDS = 15.0
ANSWER_BYTES = 1024  # of an answer's body that are read and shown
ANSWERS_KEPT = 12  # the latest ones of a delivery
DELIVERY_RETENTION = timedelta(days=7)  # for which a delivery is listed and may be replayed
# Waits after the first, second, … failed attempt: eleven attempts within a day. Each is lengthened or shortened by up
# to a fifth, so that what failed together does not come back together.
_SECOND, _MINUTE, _HOUR = 1, 60, 3600
RETRY_SECONDS = (
    *(5 * _SECOND, 30 * _SECOND, 2 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE),
    *(1 * _HOUR, 2 * _HOUR, 4 * _HOUR, 6 * _HOUR, 9 * _HOUR),
)
JITTER = 0.2
RETRY_AFTER_LIMIT = 9 * _HOUR  # seconds; what a receiver asks for beyond is not waited for
OVERDUE = timedelta(hours=3)  # longer than the eight deliveries of a message take
GONE = 410  # by which a receiver says that it wants no more: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.11
MESSAGE_ID = re.compile(r"msg_[0-9a-f]{32}", re.ASCII)

DeliveryPosition = tuple[str, str]  # among all of an account: its endpoint, and its id


@dataclass(frozen=True, slots=True)
class DeliveryStep:
    """One attempt of a delivery, or a wait for it, which a message must go on with every quarter of an hour.

    Args:
        attempt: its number; the delivery's own decides whether the message is out of date.
        continuation: how often the message was handed on.
    """

    account: str
    endpoint: str
    delivery: str
    attempt: int
    continuation: int = 0

    def to_json(self) -> str:
        return json.dumps({"step": asdict(self)}, separators=(",", ":"))


def webhook_work_from_json(text: str) -> WebhookEvent | DeliveryStep:
    """The message of the webhooks queue: an event, or a step of a delivery."""
    raw = json.loads(text)
    return WebhookEvent.from_dict(raw["event"]) if "event" in raw else DeliveryStep(**raw["step"])


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What became of one attempt.

    Args:
        status: that the receiver answered; None if there was no answer, and ``error`` says why.
        body: the beginning of the answer's.
        retry_after: seconds that the receiver asks to wait for.
    """

    at: datetime
    milliseconds: int
    status: int | None = None
    error: str | None = None
    body: str = ""
    retry_after: int | None = None

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class DeliveryState(StrEnum):
    """``PENDING``: it is to be tried, or tried again. ``FAILED``: it was tried for a day, or its endpoint is gone."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """An event on its way to one endpoint.

    Args:
        id: the event's, and the same for each attempt, so that the receiver knows what it has seen.
        body: that is sent, the same each time.
        attempts: how many there were; a message for an attempt with a lower number is out of date.
        first_attempt: the number with which the present round began, which a replay begins anew.
        next_at: when the next attempt is due; None if there is none.
        answers: of the latest attempts, oldest first.
    """

    account: str
    endpoint: str
    id: str
    type: str
    at: datetime
    body: str
    collection: str | None = None
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    first_attempt: int = 0
    next_at: datetime | None = None
    answers: tuple[WebhookAnswer, ...] = ()

    def after(self, answer: WebhookAnswer) -> "WebhookDelivery":
        """The delivery after an attempt: delivered, failed for good, or to be tried again at ``next_at``."""
        answers = (*self.answers, answer)[-ANSWERS_KEPT:]
        tried = replace(self, attempts=self.attempts + 1, answers=answers, next_at=None)
        if answer.succeeded:
            return replace(tried, state=DeliveryState.DELIVERED)
        wait = retry_wait(self.id, self.endpoint, self.attempts - self.first_attempt, answer.retry_after)
        if wait is None or answer.status == GONE:
            return tried.failed()
        return replace(tried, next_at=answer.at + wait)

    def is_overdue(self, now: datetime) -> bool:
        """Whether no message can be on its way any more, such as after its worker died again and again."""
        return self.next_at is not None and now - self.next_at > OVERDUE

    @property
    def step(self) -> DeliveryStep:
        """The message of its next attempt."""
        return DeliveryStep(self.account, self.endpoint, self.id, self.attempts)

    def failed(self) -> "WebhookDelivery":
        return replace(self, state=DeliveryState.FAILED, next_at=None)

    def replayed(self, now: datetime) -> "WebhookDelivery":
        """The delivery with a new round of attempts before it."""
        return replace(self, state=DeliveryState.PENDING, first_attempt=self.attempts, next_at=now)


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries, the newest first; the next page begins after the id ``after``, and None says there is none.

    A page may be short, or empty, although another one follows.
    """

    deliveries: Sequence[WebhookDelivery]
    after: str | None


def retry_wait(message: str, endpoint: str, failed_attempts: int, retry_after: int | None) -> timedelta | None:
    """How long to wait after an attempt of a round, the first of which is number 0; None after the last one.

    The jitter follows from the names, so that every worker that computes it gets the same.
    """
    if failed_attempts >= len(RETRY_SECONDS):
        return None
    digest = sha256(f"{message} {endpoint} {failed_attempts}".encode()).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32  # 0 ≤ share < 1
    seconds = RETRY_SECONDS[failed_attempts] * (1 - JITTER + 2 * JITTER * share)
    return timedelta(seconds=max(seconds, min(retry_after or 0, RETRY_AFTER_LIMIT)))


def parse_message_id(text: str) -> str:
    """Raises NotFound unless it has the form of a delivery's id."""
    if not MESSAGE_ID.fullmatch(text):
        raise NotFound("There is no such delivery.")
    return text
