"""Similarix: semantic image search for S3 buckets. Every Lambda function enters here and works in chalicelib."""

import os
from functools import cache
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Cron, SQSEvent

from chalicelib import snapshot, workers
from chalicelib.api.routes import register_routes
from chalicelib.bootstrap import Services
from chalicelib.dashboard.routes import register_pages
from chalicelib.domain.collections import AutoSync
from chalicelib.domain.messages import Queue

app = Chalice(app_name="similarix")
services = cache(Services.from_environment)
pages = register_pages(app, services)
register_routes(app, services, pages.unknown_page)
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # A missing or malformed setting fails when the function starts, not at its first request.
    snapshot.register(services(), pages)

# CloudFormation inserts the stack's name: Chalice writes the name of a queue into an Fn::Sub.


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.SYNC}", batch_size=1)
def sync_worker(event: SQSEvent) -> Any:
    return workers.sync(event.to_dict(), event.context, services())


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.EVENTS}", batch_size=10)
def events_worker(event: SQSEvent) -> Any:
    return workers.route_events(event.to_dict(), event.context, services())


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.INDEX}", batch_size=1)
def index_worker(event: SQSEvent) -> Any:
    return workers.index(event.to_dict(), event.context, services())


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.CHANGES}", batch_size=10)
def changes_worker(event: SQSEvent) -> Any:
    return workers.apply_changes(event.to_dict(), event.context, services())


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.UPLOADS}", batch_size=1)
def uploads_worker(event: SQSEvent) -> Any:
    return workers.complete_uploads(event.to_dict(), event.context, services())


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.DELETIONS}", batch_size=1)
def deletions_worker(event: SQSEvent) -> Any:
    return workers.delete(event.to_dict(), event.context, services())


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.PURGES}", batch_size=1)
def purges_worker(event: SQSEvent) -> Any:
    return workers.purge(event.to_dict(), event.context, services())


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.DUPLICATES}", batch_size=1)
def duplicates_worker(event: SQSEvent) -> Any:
    return workers.find_duplicates(event.to_dict(), event.context, services())


@app.on_sqs_message(queue=f"${{AWS::StackName}}-{Queue.WEBHOOKS}", batch_size=1)
def webhooks_worker(event: SQSEvent) -> Any:
    return workers.deliver_webhooks(event.to_dict(), event.context, services())


# Every quarter of an hour: each firing starts the syncs of that quarter, so that they do not all start at once.
@app.schedule(Cron("0/15", "*", "*", "*", "?", "*"))
def daily_sync(event: CloudWatchEvent) -> Any:
    return workers.start_scheduled_syncs(AutoSync.DAILY, event.to_dict().get("time"), services())


@app.schedule(Cron("0/15", "*", "?", "*", "SUN", "*"))
def weekly_sync(event: CloudWatchEvent) -> Any:
    return workers.start_scheduled_syncs(AutoSync.WEEKLY, event.to_dict().get("time"), services())


@app.schedule(Cron("0/15", "*", 1, "*", "?", "*"))
def monthly_sync(event: CloudWatchEvent) -> Any:
    return workers.start_scheduled_syncs(AutoSync.MONTHLY, event.to_dict().get("time"), services())


@app.schedule(Cron(30, 2, "*", "*", "?", "*"))
def purge(event: CloudWatchEvent) -> Any:
    workers.begin_purge(services())


@app.schedule(Cron(30, 3, "*", "*", "?", "*"))
def calibration(event: CloudWatchEvent) -> Any:
    return workers.calibrate(event.context, services())
