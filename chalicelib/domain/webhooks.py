"""Webhooks: the endpoints of an account, the events that they get, and how often a delivery is tried.

Headers, signatures and the form of a body are those of the Standard Webhooks specification:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.plans import WEBHOOKS_MAX
from chalicelib.domain.texts import check_line

SECRET_PREFIX = "whsec_"  # noqa: S105  # the specification's
SECRET_BYTES = 32  # the specification asks for 24 to 64
SECRET_OVERLAP = timedelta(days=1)  # for which the secret before the present one signs, too
DESCRIPTION_LIMIT = 200  # characters
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
MAX_FAILING = timedelta(days=3)  # after which an endpoint that has never answered well meanwhile is disabled
# Longer than any wait between two attempts of a delivery: an endpoint that failed before it counts as well.
FAILURE_MEMORY = timedelta(days=1)
FAILURE_RESOLUTION = timedelta(hours=1)  # of ``last_failure``, so that few of many failures are written
OVERDUE = timedelta(hours=3)  # longer than the eight deliveries of a message take
GONE = 410  # by which a receiver says that it wants no more: https://www.rfc-editor.org/rfc/rfc9110#section-15.5.11
MESSAGE_ID = re.compile(r"msg_[0-9a-f]{32}", re.ASCII)


class EventType(StrEnum):
    """What an endpoint may be told of."""

    SYNC_COMPLETED = "sync.completed"
    SYNC_FAILED = "sync.failed"
    SYNC_NEEDS_CONFIRMATION = "sync.needs_confirmation"
    FILE_INDEXED = "file.indexed"
    FILE_FAILED = "file.failed"
    FILE_REMOVED = "file.removed"


TEST_EVENT = "webhook.test"  # which every endpoint gets when its owner asks for it


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """Something that has happened in an account.

    Args:
        id: the same for the same event, however often it is sent.
        type: one of ``EventType``, or ``TEST_EVENT``.
        data: as JSON has it; a ``url`` in it is a path of the API.
        collection: where it has happened; None for a test.
        served: how many endpoints of the account its plan lets be told, the oldest that are enabled.
    """

    account: str
    id: str
    type: str
    at: datetime
    data: Mapping[str, Any] = field(hash=False)
    collection: str | None = None
    served: int = WEBHOOKS_MAX

    def to_json(self) -> str:
        return json.dumps({"event": {**asdict(self), "at": self.at.isoformat()}}, separators=(",", ":"))

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "WebhookEvent":
        return cls(**{**raw, "at": datetime.fromisoformat(raw["at"])})


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
class WebhookEndpoint:
    """Where an account wants to be told of events.

    Args:
        events: their types, in the order of ``EventType``.
        collections: the only ones whose events it gets; None for all of the account.
        api_url: under which the account reaches the API; the links of its events begin so.
        previous_secret: signs, too, until ``previous_until``.
        failing_since: when the first of the attempts has failed after which none has succeeded, with less than
            ``FAILURE_MEMORY`` between two of them.
        last_failure: when one of them has failed, to within ``FAILURE_RESOLUTION`` of the last.
        disabled_at: when it was disabled; ``disabled_reason`` is None if its owner did that.
    """

    id: str
    url: str
    events: tuple[EventType, ...]
    collections: tuple[str, ...] | None
    description: str
    api_url: str
    created_at: datetime
    secret: str = field(repr=False)
    previous_secret: str | None = field(default=None, repr=False)
    previous_until: datetime | None = None
    failing_since: datetime | None = None
    last_failure: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None

    @property
    def enabled(self) -> bool:
        return self.disabled_at is None

    def takes(self, delivery: "WebhookDelivery") -> bool:
        """Whether it is to be tried: a test is, of a disabled endpoint, too."""
        return self.enabled or delivery.type == TEST_EVENT

    def wants(self, event: WebhookEvent) -> bool:
        return self.enabled and event.type in self.events and self.reaches(event.collection)

    def reaches(self, collection: str | None) -> bool:
        return self.collections is None or collection in self.collections

    def secrets_at(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign a request now, the present one first."""
        is_overlapping = self.previous_until is not None and now < self.previous_until
        return (self.secret, self.previous_secret) if self.previous_secret and is_overlapping else (self.secret,)

    def with_new_secret(self, secret: str, now: datetime) -> "WebhookEndpoint":
        return replace(self, secret=secret, previous_secret=self.secret, previous_until=now + SECRET_OVERLAP)

    def changed(self, change: "WebhookChange", now: datetime) -> "WebhookEndpoint":
        chosen = {
            name: getattr(change, name)
            for name in ("url", "events", "description")
            if getattr(change, name) is not None
        }
        changed = replace(self, **chosen)
        if change.collections is not None or change.all_collections:
            changed = replace(changed, collections=change.collections)
        if change.enabled is True:
            return replace(changed, disabled_at=None, disabled_reason=None, failing_since=None, last_failure=None)
        if change.enabled is False and self.enabled:
            return changed.disabled(now, None)
        return changed

    def disabled(self, now: datetime, reason: str | None) -> "WebhookEndpoint":
        return replace(self, disabled_at=now, disabled_reason=reason)

    def after(self, answer: "WebhookAnswer", *, is_last: bool) -> "WebhookEndpoint":
        """The endpoint after an attempt, disabled if it has failed for too long, or wants no more.

        Args:
            is_last: whether its delivery ends with the attempt; a failure that is tried again disables nothing.
        """
        if answer.succeeded:
            return replace(self, failing_since=None, last_failure=None)
        if not self.enabled:
            return self
        failing = self._failing(answer.at)
        if answer.status == GONE:
            return failing.disabled(answer.at, f"It has answered {GONE}, which says that it wants no more.")
        assert failing.failing_since is not None
        if not is_last or answer.at - failing.failing_since < MAX_FAILING:
            return failing
        since = failing.failing_since.astimezone(UTC)
        return failing.disabled(answer.at, f"Every delivery has failed since {since:%Y-%m-%d %H:%M} UTC.")

    def _failing(self, at: datetime) -> "WebhookEndpoint":
        if self.last_failure is None or at - self.last_failure > FAILURE_MEMORY:
            return replace(self, failing_since=at, last_failure=at)
        if at - self.last_failure >= FAILURE_RESOLUTION:
            return replace(self, last_failure=at)
        return self


@dataclass(frozen=True, slots=True)
class WebhookEndpoints:
    """All endpoints of an account; ``revision`` grows with each write and locks them optimistically."""

    account: str
    revision: int = 0
    endpoints: tuple[WebhookEndpoint, ...] = ()

    def get(self, endpoint: str) -> WebhookEndpoint | None:
        return next((each for each in self.endpoints if each.id == endpoint), None)

    def wanting(self, event: WebhookEvent) -> list[WebhookEndpoint]:
        return [endpoint for endpoint in self.enabled[: event.served] if endpoint.wants(event)]

    @property
    def enabled(self) -> list[WebhookEndpoint]:
        """The endpoints that are enabled, oldest first."""
        return [endpoint for endpoint in self.endpoints if endpoint.enabled]

    def with_endpoint(self, endpoint: WebhookEndpoint) -> "WebhookEndpoints":
        """With this endpoint in place of the one with its id, or behind all others."""
        if self.get(endpoint.id) is None:
            return replace(self, endpoints=(*self.endpoints, endpoint))
        return replace(self, endpoints=tuple(endpoint if e.id == endpoint.id else e for e in self.endpoints))

    def without(self, endpoint: str) -> "WebhookEndpoints":
        return replace(self, endpoints=tuple(each for each in self.endpoints if each.id != endpoint))


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """An endpoint to create."""

    url: str
    events: tuple[EventType, ...]
    collections: tuple[str, ...] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """The new values of an endpoint; None leaves a value as it is. ``all_collections`` ends its choice of them."""

    url: str | None = None
    events: tuple[EventType, ...] | None = None
    collections: tuple[str, ...] | None = None
    all_collections: bool = False
    description: str | None = None
    enabled: bool | None = None


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


def message_id(at: datetime, *names: str) -> str:
    """The id of the event that happened at a time and has these names: sorted by time, the same for the same event."""
    digest = sha256(json.dumps(names).encode()).hexdigest()
    return f"msg_{int(at.timestamp() * 1000):012x}{digest[:20]}"


def event_body(event: WebhookEvent, api_url: str) -> str:
    """The body of an event's request, in ASCII, with links that begin with ``api_url``."""
    body = {"type": event.type, "timestamp": timestamp(event.at), "data": _with_links(event.data, api_url)}
    return json.dumps(body, separators=(",", ":"))


def _with_links(value: Any, api_url: str) -> Any:
    if isinstance(value, Mapping):
        return {
            name: f"{api_url}{nested}" if name == "url" else _with_links(nested, api_url)
            for name, nested in value.items()
        }
    if isinstance(value, list | tuple):
        return [_with_links(nested, api_url) for nested in value]
    return value


def timestamp(at: datetime) -> str:
    """ISO 8601 in UTC, as the specification's examples have it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def generate_webhook_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def parse_events(value: object) -> tuple[EventType, ...]:
    """One or several types of events, each once."""
    is_list = isinstance(value, list) and value and all(isinstance(name, str) for name in value)
    unknown = [name for name in value if name not in list(EventType)] if is_list else [None]  # type: ignore[attr-defined]
    if unknown:
        raise InvalidRequest(f"events is a list of one or more of {', '.join(EventType)}.", field="events")
    assert isinstance(value, list)
    return tuple(event for event in EventType if event in value)


def parse_description(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > DESCRIPTION_LIMIT:
        raise InvalidRequest(f"description is a text of at most {DESCRIPTION_LIMIT} characters.", field="description")
    return check_line(value.strip(), "description")


def parse_message_id(text: str) -> str:
    """Raises NotFound unless it has the form of a delivery's id."""
    if not MESSAGE_ID.fullmatch(text):
        raise NotFound("There is no such delivery.")
    return text
