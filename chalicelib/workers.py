"""What the queues and schedules set going: a message is done, or it comes back.

Each handler answers the messages that failed, so that their neighbours are not done again:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from chalicelib.bootstrap import Services
from chalicelib.domain.changes import IndexBatch, SyncStep, s3_notification
from chalicelib.domain.collections import AutoSync

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

SPARE_SECONDS = 10  # kept back of a sync worker's time to hand the rest on

logger = Logger(service="similarix", serialize_stacktrace=False)

Event = dict[str, Any]


def sync(event: Event, context: Any, services: Services) -> Event:
    """Walk collections; a walk that takes longer than the worker has is handed on."""

    def seconds_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000 - SPARE_SECONDS

    def handle(record: "SQSRecord") -> None:
        services.sync.walk(SyncStep.from_json(record.body), seconds_left)

    return _each(event, context, handle)


def notice(event: Event, context: Any, services: Services) -> Event:
    """Pass S3's news on to the index workers."""

    def handle(record: "SQSRecord") -> None:
        services.notices.pass_on(list(s3_notification(record.body)))

    return _each(event, context, handle)


def index(event: Event, context: Any, services: Services) -> Event:
    """Apply changes to the index."""

    def handle(record: "SQSRecord") -> None:
        batch = IndexBatch.from_json(record.body)
        again = int(record.attributes.approximate_receive_count or "1") > 1
        services.indexing.apply(batch, again=again)
        services.sync.batch_done(batch)

    return _each(event, context, handle)


def start_due(interval: AutoSync, services: Services) -> Event:
    """Begin the syncs that a schedule asks for."""
    started = services.sync.start_scheduled(interval)
    logger.info("schedule", interval=interval.value, started=started)
    return {"started": started}


def _each(event: Event, context: Any, handle: Callable[["SQSRecord"], None]) -> Event:
    # Not at the top: it brings asyncio, and the function behind the API, which shares this code, never needs it.
    from aws_lambda_powertools.utilities.batch import (  # noqa: PLC0415
        BatchProcessor,
        EventType,
        process_partial_response,
    )

    def logged(record: "SQSRecord") -> None:
        try:
            handle(record)
        except Exception:
            logger.exception("message failed", message_id=record.message_id, body=record.body)
            raise
        logger.info("message done", message_id=record.message_id)

    # One that fails whole is no different from its messages each failing: they come back, by themselves.
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event=event, record_handler=logged, processor=processor, context=context)
    return dict(answer)
