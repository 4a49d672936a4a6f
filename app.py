"""Similarix: semantic image search for S3 buckets. Every Lambda function enters here and works in chalicelib."""

import os
from functools import cache
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, Cron, SQSEvent

from chalicelib import workers
from chalicelib.bootstrap import Services
from chalicelib.domain.collections import AutoSync
from chalicelib.domain.messages import Queue

API_HANDLER = "app.app"

app = Chalice(app_name="similarix", configure_logs=False)  # the workers' logger has this name, and its own level
services = cache(Services.from_environment)


def serve_requests() -> None:
    """Register the routes of the API and of the dashboard."""
    from chalicelib import snapshot
    from chalicelib.api.routes import register_routes
    from chalicelib.dashboard.routes import register_pages

    pages = register_pages(app, services)
    register_routes(app, services, pages.unknown_page)
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        snapshot.register(services(), pages)


# A worker starts without the routes and what they import. Lambda names the handler that it starts:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
if os.environ.get("_HANDLER", API_HANDLER) == API_HANDLER:
    serve_requests()
if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    services()  # a missing or malformed setting fails when the function starts, not at its first request

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
