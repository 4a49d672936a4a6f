"""The handlers of queues and schedules: a message is done, or it is redelivered.

Each handler returns the messages that failed, so that the others of their batch are not redelivered:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib.bootstrap import Services
from chalicelib.domain.changes import Change, change_groups
from chalicelib.domain.collections import AutoSync
from chalicelib.domain.errors import ContinuationLimit
from chalicelib.domain.messages import (
    REDRIVEN_ATTRIBUTE,
    AccountDeletionStep,
    DeletionStep,
    DuplicatesStep,
    FileDeletion,
    FileMove,
    IndexBatch,
    PurgeStep,
    ReceivedMessage,
    SyncStep,
    deletion_from_json,
    file_work_from_json,
)
from chalicelib.domain.s3_events import parse_s3_events
from chalicelib.domain.syncs import Tally
from chalicelib.domain.uploads import checks_in_message
from chalicelib.domain.webhook_deliveries import DeliveryStep, webhook_work_from_json
from chalicelib.domain.webhook_events import WebhookEvent

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

    from chalicelib.services.pipeline.webhook_dispatcher import Attempt

FAILING_DELIVERIES = 3  # failures of one message that may no longer pass by themselves; an alarm counts such messages
RESERVED_SECONDS = 10  # of a worker's time, to save its progress and to send the message that continues its work

CONTINUATION_LIMITS = "ContinuationLimits"  # the metric of work that was continued too often
PURGE_OVERDUE_DAYS = "PurgeOverdueDays"  # the metric of days by which the oldest purged record was overdue

logger = Logger(service="similarix", serialize_stacktrace=False)
# Metrics are written to the log, where CloudWatch extracts them; no call is made for them.
metrics = Metrics(namespace="Similarix", service="similarix")

Event = dict[str, Any]
Parsed = TypeVar("Parsed")


def sync(event: Event, context: Any, services: Services) -> Event:
    """Compare key ranges of buckets with the catalogue."""

    def handle(record: "SQSRecord") -> None:
        step = SyncStep.from_json(record.body)
        is_patient = _receive_count(record) < FAILING_DELIVERIES
        services.sync_worker.run(
            step, _seconds_left(context), redelivered=_is_redelivered(record), is_patient=is_patient
        )

    return _handle_each(event, context, services, handle)


def route_events(event: Event, context: Any, services: Services) -> Event:
    """Route S3's events to the index workers, those of one delivery together."""
    messages, outcomes = _parsed(event, lambda record: list(parse_s3_events(record.body)))

    def handle(record: "SQSRecord") -> None:
        if record.message_id not in outcomes:
            outcomes.update(services.event_router.route_messages(messages))
        if (error := outcomes[record.message_id]) is not None:
            raise error

    return _handle_each(event, context, services, handle)


def index(event: Event, context: Any, services: Services) -> Event:
    """Apply batches of hints to the index."""

    def handle(record: "SQSRecord") -> None:
        batch = IndexBatch.from_json(record.body)
        _add_metrics(services.index_worker.run(batch, redelivered=_is_redelivered(record)))

    return _handle_each(event, context, services, handle)


def apply_changes(event: Event, context: Any, services: Services) -> Event:
    """Apply batches of hints to the index, those of one collection together."""
    changes, outcomes = _parsed(event, _change)
    messages, _ = _parsed(event, _received)
    groups = change_groups(changes)
    group_of = {message_id: group for group in groups for message_id in group}

    def handle(record: "SQSRecord") -> None:
        if record.message_id not in outcomes:
            group = group_of[record.message_id]
            applied = services.change_worker.apply(group, _seconds_left(context), is_first=group is groups[0])
            outcomes.update(applied)
            if group is not groups[-1]:
                done = [messages[each] for each, outcome in applied.items() if not isinstance(outcome, Exception)]
                if refused := services.change_worker.delete(done):
                    logger.warning("messages not deleted", refused=refused)
        outcome = outcomes[record.message_id]
        if isinstance(outcome, Exception):
            raise outcome
        if outcome is not None:
            _add_metrics(outcome)

    order = {message_id: place for place, message_id in enumerate(group_of)}
    records = sorted(event["Records"], key=lambda record: order.get(record["messageId"], 0))
    return _handle_each({**event, "Records": records}, context, services, handle)


def complete_uploads(event: Event, context: Any, services: Services) -> Event:
    """Complete uploads whose bytes have arrived, end those that have expired, and delete and move files."""

    def handle(record: "SQSRecord") -> None:
        match file_work_from_json(record.body):
            case FileDeletion() as deletion:
                services.file_deletion.run(deletion, _seconds_left(context))
                return
            case FileMove() as move:
                services.file_moves.settle(move)
                return
        for check in checks_in_message(record.body):
            services.upload_completion.poll(check)

    return _handle_each(event, context, services, handle)


def delete(event: Event, context: Any, services: Services) -> Event:
    """Delete the contents of deleted collections and accounts."""

    def handle(record: "SQSRecord") -> None:
        match deletion_from_json(record.body):
            case AccountDeletionStep() as step:
                services.account_deletion.run(step, _seconds_left(context))
            case DeletionStep() as step:
                services.deletion.run(step, _seconds_left(context))

    return _handle_each(event, context, services, handle)


def start_scheduled_syncs(interval: AutoSync, fired_at: str | None, services: Services) -> Event:
    """Start the syncs of a schedule; ``fired_at`` is the event's time in ISO 8601, None if the event has none."""
    fired = datetime.fromisoformat(fired_at) if fired_at else datetime.now(UTC)
    started = services.syncs.start_scheduled(interval, fired)
    logger.info("schedule", interval=interval.value, started=started)
    return {"started": started}


def begin_purge(services: Services) -> None:
    """Have tombstones deleted that are older than the grace period."""
    services.purge.begin()


def calibrate(context: Any, services: Services) -> Event:
    """Compute the statistics of accounts whose pictures have changed in number."""
    run = services.calibration.run(_seconds_left(context))
    logger.info("calibration", calibrated=run.calibrated, left=run.left)
    return {"calibrated": run.calibrated, "left": run.left}


def purge(event: Event, context: Any, services: Services) -> Event:
    """Delete tombstones that are older than the grace period."""

    def handle(record: "SQSRecord") -> None:
        outcome = services.purge.run(PurgeStep.from_json(record.body), _seconds_left(context))
        metrics.add_metric(name=PURGE_OVERDUE_DAYS, unit=MetricUnit.Count, value=outcome.overdue_days)
        logger.info("purge", purged=outcome.purged, overdue_days=outcome.overdue_days)

    return _handle_each(event, context, services, handle)


def find_duplicates(event: Event, context: Any, services: Services) -> Event:
    """Look for the duplicates of collections."""

    def handle(record: "SQSRecord") -> None:
        services.duplicates_worker.run(DuplicatesStep.from_json(record.body), _seconds_left(context))

    return _handle_each(event, context, services, handle)


def deliver_webhooks(event: Event, context: Any, services: Services) -> Event:
    """Begin the deliveries of events, and try those that are due."""

    def handle(record: "SQSRecord") -> None:
        match webhook_work_from_json(record.body):
            case WebhookEvent() as happened:
                services.webhook_dispatcher.distribute(happened)
            case DeliveryStep() as step:
                attempt = services.webhook_dispatcher.attempt(step, redelivered=_is_redelivered(record))
                if attempt is not None:
                    _add_attempt_metrics(attempt)

    return _handle_each(event, context, services, handle)


def _add_attempt_metrics(attempt: "Attempt") -> None:
    name = "WebhooksDelivered" if attempt.answer.succeeded else "WebhooksRefused"
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=1)
    if attempt.disabled:
        metrics.add_metric(name="WebhooksDisabled", unit=MetricUnit.Count, value=1)


def _add_metrics(tally: Tally) -> None:
    for name, count in asdict(tally).items():
        if count:
            metrics.add_metric(name=f"Files{name.capitalize()}", unit=MetricUnit.Count, value=count)


def _parsed(event: Event, parse: Callable[["SQSRecord"], Parsed]) -> tuple[dict[str, Parsed], dict[str, Any]]:
    """What the messages of an event say, by their ids, and the errors of those that are malformed."""
    # Not at the top, as in ``_handle_each``.
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord  # noqa: PLC0415

    parsed: dict[str, Parsed] = {}
    errors: dict[str, Any] = {}
    for record in map(SQSRecord, event["Records"]):
        try:
            parsed[record.message_id] = parse(record)
        except Exception as error:  # raised when it is the message's turn
            errors[record.message_id] = error
    return parsed, errors


def _change(record: "SQSRecord") -> Change:
    batch, is_redelivered = IndexBatch.from_json(record.body), _is_redelivered(record)
    return Change(batch, is_redelivered or batch.redelivered, _receive_count(record))


def _received(record: "SQSRecord") -> ReceivedMessage:
    queue = record.event_source_arn.rpartition(":")[2]
    return ReceivedMessage(record.message_id, queue, record.receipt_handle, _receive_count(record))


def _seconds_left(context: Any) -> Callable[[], float]:
    return lambda: float(context.get_remaining_time_in_millis()) / 1000 - RESERVED_SECONDS


def _is_redelivered(record: "SQSRecord") -> bool:
    """Whether the message was delivered before, or was moved back from the dead-letter queue."""
    return _receive_count(record) > 1 or REDRIVEN_ATTRIBUTE in (record["messageAttributes"] or {})


def _receive_count(record: "SQSRecord") -> int:
    """How often the message was delivered, this time included."""
    return int(record.attributes.approximate_receive_count or "1")


def _handle_each(event: Event, context: Any, services: Services, handle: Callable[["SQSRecord"], None]) -> Event:
    # Not at the top: it imports asyncio, and the function behind the API, which shares this code, never needs that.
    from aws_lambda_powertools.utilities.batch import (  # noqa: PLC0415
        BatchProcessor,
        EventType,
        process_partial_response,
    )

    failing: list[str] = []

    def handle_and_log(record: "SQSRecord") -> None:
        try:
            handle(record)
        except Exception as error:
            logger.exception(
                "message failed", message_id=record.message_id, calls=services.calls.take(), body=record.body
            )
            message = _received(record)
            if message.received >= FAILING_DELIVERIES:
                failing.append(message.id)
            services.retries.handle_failure(message, error)
            if isinstance(error, ContinuationLimit):
                metrics.add_metric(name=CONTINUATION_LIMITS, unit=MetricUnit.Count, value=1)
            raise
        logger.info("message done", message_id=record.message_id, calls=services.calls.take())

    # Without the flag a batch whose messages all fail raises; its messages are redelivered either way.
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    response = process_partial_response(
        event=event, record_handler=handle_and_log, processor=processor, context=context
    )
    _add_delivery_metrics(event, services.now(), failed=len(response["batchItemFailures"]), failing=len(failing))
    metrics.flush_metrics()
    return dict(response)


def _add_delivery_metrics(event: Event, now: datetime, *, failed: int, failing: int) -> None:
    """How many messages failed, how many of them again and again, and how long the oldest has waited since it was sent.

    SQS's own age leaves out messages that were received three times.
    """
    records = event["Records"]
    if not records:
        return
    oldest = min(int(record["attributes"]["SentTimestamp"]) for record in records)  # milliseconds
    metrics.add_dimension(name="queue", value=records[0]["eventSourceARN"].rpartition(":")[2])
    metrics.add_metric(name="MessagesFailed", unit=MetricUnit.Count, value=failed)
    metrics.add_metric(name="MessagesFailing", unit=MetricUnit.Count, value=failing)
    age = max(0.0, now.timestamp() - oldest / 1000)
    metrics.add_metric(name="OldestMessageSeconds", unit=MetricUnit.Seconds, value=round(age, 1))
