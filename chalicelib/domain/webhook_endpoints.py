"""Endpoints of webhooks: where an account is told of events, with which secrets, and when one is disabled."""

import base64
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.texts import check_line
from chalicelib.domain.webhook_deliveries import GONE, WebhookAnswer, WebhookDelivery
from chalicelib.domain.webhook_events import TEST_EVENT, EventType, WebhookEvent

SECRET_PREFIX = "whsec_"  # noqa: S105  # the specification's
SECRET_BYTES = 32  # the specification asks for 24 to 64
SECRET_OVERLAP = timedelta(days=1)  # for which the secret before the present one signs, too
DESCRIPTION_LIMIT = 200  # characters
MAX_FAILING = timedelta(days=3)  # after which an endpoint that has never answered well meanwhile is disabled
# Longer than any wait between two attempts of a delivery: an endpoint that failed before it counts as well.
FAILURE_MEMORY = timedelta(days=1)
FAILURE_RESOLUTION = timedelta(hours=1)  # of ``last_failure``, so that few of many failures are written


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

    def takes(self, delivery: WebhookDelivery) -> bool:
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

    def after(self, answer: WebhookAnswer, *, is_last: bool) -> "WebhookEndpoint":
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
