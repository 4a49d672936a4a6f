"""What the queues and schedules set going: a message is done, or it comes back.

Each handler answers the messages that failed, so that their neighbours are not done again:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib.bootstrap import Services
from chalicelib.domain.collections import AutoSync
from chalicelib.domain.messages import REDRIVEN_ATTRIBUTE, DeletionStep, IndexBatch, ReceivedMessage, SyncStep
from chalicelib.domain.s3_events import parse_s3_events
from chalicelib.domain.syncs import Tally
from chalicelib.domain.uploads import uploads_in_message

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

SPARE_SECONDS = 10  # kept back of a worker's time to hand the rest on

logger = Logger(service="similarix", serialize_stacktrace=False)
# Written to the log, where CloudWatch finds them; no call is made for them.
metrics = Metrics(namespace="Similarix", service="similarix")

Event = dict[str, Any]


def sync(event: Event, context: Any, services: Services) -> Event:
    """Walk collections; a walk that takes longer than the worker has is handed on."""

    def handle(record: "SQSRecord") -> None:
        services.sync_worker.run(SyncStep.from_json(record.body), _seconds_left(context))

    return _handle_each(event, context, services, handle)


def route_events(event: Event, context: Any, services: Services) -> Event:
    """Pass S3's news on to the index workers."""

    def handle(record: "SQSRecord") -> None:
        services.event_router.route(list(parse_s3_events(record.body)))

    return _handle_each(event, context, services, handle)


def index(event: Event, context: Any, services: Services) -> Event:
    """Apply changes to the index."""

    def handle(record: "SQSRecord") -> None:
        batch = IndexBatch.from_json(record.body)
        again = _receive_count(record) > 1 or REDRIVEN_ATTRIBUTE in (record["messageAttributes"] or {})
        if again:
            services.sync_worker.renew_lease(batch)
        tally = services.indexer.apply(batch, again=again)
        services.sync_worker.complete_batch(batch, tally)
        _count(tally)

    return _handle_each(event, context, services, handle)


def complete_uploads(event: Event, context: Any, services: Services) -> Event:
    """Look at uploads whose bytes have arrived, or whose time is over."""

    def handle(record: "SQSRecord") -> None:
        for upload in uploads_in_message(record.body):
            services.upload_completion.poll(upload)

    return _handle_each(event, context, services, handle)


def delete(event: Event, context: Any, services: Services) -> Event:
    """Clear away what deleted collections held; what takes longer than the worker has is handed on."""

    def handle(record: "SQSRecord") -> None:
        services.deletion.run(DeletionStep.from_json(record.body), _seconds_left(context))

    return _handle_each(event, context, services, handle)


def start_due(interval: AutoSync, at: str | None, services: Services) -> Event:
    """Begin the syncs that a schedule asks for; ``at`` is when it fired, in ISO 8601, as far as that is known."""
    fired = datetime.fromisoformat(at) if at else datetime.now(UTC)
    started = services.syncs.start_scheduled(interval, fired.minute)
    logger.info("schedule", interval=interval.value, started=started)
    return {"started": started}


def purge(context: Any, services: Services) -> Event:
    """Forget what has been gone for longer than the grace period."""
    purged = services.purge.run(_seconds_left(context))
    logger.info("purge", purged=purged)
    return {"purged": purged}


def _count(tally: Tally) -> None:
    for name, count in asdict(tally).items():
        if count:
            metrics.add_metric(name=f"Files{name.capitalize()}", unit=MetricUnit.Count, value=count)


def _seconds_left(context: Any) -> Callable[[], float]:
    return lambda: float(context.get_remaining_time_in_millis()) / 1000 - SPARE_SECONDS


def _receive_count(record: "SQSRecord") -> int:
    """How often the message has been handed out, this time included."""
    return int(record.attributes.approximate_receive_count or "1")


def _handle_each(event: Event, context: Any, services: Services, handle: Callable[["SQSRecord"], None]) -> Event:
    # Not at the top: it brings asyncio, and the function behind the API, which shares this code, never needs it.
    from aws_lambda_powertools.utilities.batch import (  # noqa: PLC0415
        BatchProcessor,
        EventType,
        process_partial_response,
    )

    def logged(record: "SQSRecord") -> None:
        try:
            handle(record)
        except Exception as error:
            logger.exception("message failed", message_id=record.message_id, body=record.body)
            queue = record.event_source_arn.rpartition(":")[2]
            delivery = ReceivedMessage(record.message_id, queue, record.receipt_handle, _receive_count(record))
            services.retries.handle_failure(delivery, error)
            raise
        logger.info("message done", message_id=record.message_id)

    # One that fails whole is no different from its messages each failing: they come back, by themselves.
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event=event, record_handler=logged, processor=processor, context=context)
    metrics.add_metric(name="MessagesFailed", unit=MetricUnit.Count, value=len(answer["batchItemFailures"]))
    metrics.flush_metrics()
    return dict(answer)
