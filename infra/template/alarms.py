"""The alarms: each has a name that says what it watches, a sentence, and a heading in docs/operations.md.

They look at periods of one to five minutes. One failure alone is no alarm where it may pass by itself: a message that
fails is delivered again, and a caller whose request fails asks again. Missing data are no alarm: a function that nobody
calls has no errors. Each alarm tells its topic also that it is over.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.messages import Queue
from chalicelib.workers import CONTINUATION_LIMITS, FAILING_DELIVERIES, PURGE_OVERDUE_DAYS
from infra.workers import API, MAX_DELIVERIES, WORKERS, Function, Worker

Resource = dict[str, Any]
Metric = Mapping[str, Any]

API_LATENCY_MILLISECONDS = 5000
API_ERROR_PERCENT = 1
API_ERRORS = 5  # within five minutes; fewer are no alarm, whatever their share
CONCURRENCY_PERCENT = 80
OVERDUE_DAYS = 2  # a purge may take more than a day after a bucket was emptied
METRICS = "Similarix"  # the namespace of our own metrics, see ``chalicelib.workers``
ACTIONS = [{"Fn::If": ["HasAlarmTopic", {"Ref": "AlarmTopicArn"}, {"Ref": "AlarmTopic"}]}]
DEFAULTS = {
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0,
    "EvaluationPeriods": 1,
    "TreatMissingData": "notBreaching",
    "AlarmActions": ACTIONS,
    "OKActions": ACTIONS,
}


def metric(namespace: str, name: str, statistic: str, dimensions: Mapping[str, Any], period: int = 300) -> Metric:
    """The properties by which an alarm names a metric; a statistic such as ``p95`` is an extended one."""
    kind = "ExtendedStatistic" if statistic.startswith("p") else "Statistic"
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    properties = {"Namespace": namespace, "MetricName": name, kind: statistic, "Period": period}
    return properties | ({"Dimensions": named} if named else {})


def alarm(name: str, description: str, watched: Metric, condition: str | None = None, **properties: Any) -> Resource:
    """The alarm of one metric: above 0 in one period, unless the properties say otherwise."""
    resource = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": {"Fn::Sub": f"${{AWS::StackName}}-{name}"},
            "AlarmDescription": description,
            **DEFAULTS,
            **watched,
            **properties,
        },
    }
    return {name: resource | ({"Condition": condition} if condition else {})}


def calculated(
    name: str,
    description: str,
    expression: str,
    metrics: Mapping[str, Metric],
    condition: str | None = None,
    **properties: Any,
) -> Resource:
    """The alarm of an expression of several metrics, which it names by their identifiers."""
    queries: list[dict[str, Any]] = [
        {"Id": "watched", "Expression": {"Fn::Sub": expression} if "${" in expression else expression}
    ]
    for identifier, watched in metrics.items():
        stat = {key: watched[key] for key in ("Namespace", "MetricName", "Dimensions") if key in watched}
        statistic = watched.get("Statistic") or watched["ExtendedStatistic"]
        queries.append(
            {
                "Id": identifier,
                "ReturnData": False,
                "MetricStat": {"Metric": stat, "Period": watched["Period"], "Stat": statistic},
            }
        )
    return alarm(name, description, {"Metrics": queries}, condition, **properties)


def of_function(row: Function) -> Resource:
    """A function that raises errors, and one that Lambda does not start because too many run.

    By its name alone a function's metrics are those of all its versions, so they follow an alias that moves:
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
    """
    dimensions = {"FunctionName": {"Ref": row.name}}
    errors = alarm(f"{row.name}ErrorsAlarm", row.alarm, metric("AWS/Lambda", "Errors", "Sum", dimensions))
    throttles = alarm(
        f"{row.name}ThrottlesAlarm",
        f"Lambda does not start the function {row.lambda_name}, because as many run as may. "
        "Ask AWS for more concurrent executions.",
        metric("AWS/Lambda", "Throttles", "Sum", dimensions),
        EvaluationPeriods=3,
        DatapointsToAlarm=2,
    )
    return errors | throttles


def of_queue(row: Worker) -> Resource:
    """Dead letters, messages that fail again and again, and messages that wait too long.

    SQS leaves messages out of the age that it reports once they were received three times:
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html.
    The workers report the age of the oldest that they receive, so the greater of both is watched.
    """
    name = row.queue.capitalize()
    dead_letters = alarm(
        f"{row.dead_letters_resource}Alarm",
        f"{row.messages} failed {MAX_DELIVERIES} times and are in the dead-letter queue. See why with "
        f"`infra.admin redrive --dry-run`, or in the {row.queue} worker's log.",
        metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", _queue(row.dead_letters_resource)),
    )
    failing = alarm(
        f"{name}FailingAlarm",
        f"{row.messages} fail {FAILING_DELIVERIES} times and more. The reasons are in the log of the "
        f"{row.queue} worker and in `infra.admin redrive --dry-run`.",
        of_worker("MessagesFailing", "Sum", row),
    )
    age = calculated(
        f"{name}AgeAlarm",
        f"{row.messages} wait for {row.backlog_seconds // 60} minutes and more. {row.backlog_advice}".rstrip(),
        "MAX([FILL(waiting, 0), FILL(received, 0)])",
        {
            "waiting": metric("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", _queue(row.queue_resource)),
            "received": of_worker("OldestMessageSeconds", "Maximum", row),
        },
        Threshold=row.backlog_seconds,
    )
    loop = alarm(
        f"{row.function.name}LoopAlarm",
        f"Lambda took the {row.queue} worker for an endless loop and dropped its work: see RecursiveLoop and "
        "`feeds_itself` in infra/workers.py.",
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
        metric("AWS/Lambda", "RecursiveInvocationsDropped", "Sum", {"FunctionName": {"Ref": row.function.name}}),
    )
    return dead_letters | failing | age | loop


def of_long_work() -> Resource:
    """Work that was continued too often, and a purge that does not keep up."""
    rows = {str(row.queue): row for row in WORKERS if row.feeds_itself}
    continuations = calculated(
        "ContinuationAlarm",
        "A worker has ended a piece of work that it had continued too often, as if it ran in a circle. A sync has "
        "failed, with the reason; anything else is in a dead-letter queue.",
        f"SUM([{', '.join(f'FILL({queue}, 0)' for queue in rows)}])",
        {queue: of_worker(CONTINUATION_LIMITS, "Sum", row) for queue, row in rows.items()},
    )
    purge = alarm(
        "PurgeOverdueAlarm",
        f"Records of files are purged more than {OVERDUE_DAYS} days later than TombstoneDays says, and so are their "
        "thumbnails: the purge does not keep up, or did not run.",
        of_worker(PURGE_OVERDUE_DAYS, "Maximum", rows[Queue.PURGES]),
        Threshold=OVERDUE_DAYS,
    )
    return continuations | purge


def of_schedules(dead_letters: str) -> Resource:
    """A schedule that did not run."""
    return alarm(
        f"{dead_letters}Alarm",
        "A schedule did not run, in any of its attempts. Its next run makes up for it; see why in the message and in "
        "the function's log.",
        metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", _queue(dead_letters)),
    )


def of_worker(name: str, statistic: str, row: Worker) -> Metric:
    """One of the metrics that a worker writes to its log."""
    queue = {"Fn::GetAtt": [row.queue_resource, "QueueName"]}
    return metric(METRICS, name, statistic, {"service": "similarix", "queue": queue})


def of_api() -> Resource:
    """Failed requests and slow ones, as API Gateway sees them, and functions that run at once in the account.

    ``AWS/Lambda Errors`` sees none of these: the function answers an error with a 500 or a 503 and does not fail.
    The API has the stack's name (api.yaml). AWS limits the executions of an account in a region, so their metric has no
    dimension; https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch-Quotas-Visualize-Alarms.html
    has the expression.
    """
    api = {"ApiName": {"Ref": "AWS::StackName"}, "Stage": {"Ref": "RestAPI.Stage"}}
    errors = calculated(
        "ApiErrorsAlarm",
        f"The API answers {API_ERRORS} and more requests within five minutes, and more than {API_ERROR_PERCENT} % of "
        "them, with a status of 500 or above.",
        f"IF(errors >= {API_ERRORS}, 100 * errors / requests, 0)",
        {
            "errors": metric("AWS/ApiGateway", "5XXError", "Sum", api),
            "requests": metric("AWS/ApiGateway", "Count", "Sum", api),
        },
        Threshold=API_ERROR_PERCENT,
    )
    latency = alarm(
        "ApiLatencyAlarm",
        f"One request in twenty takes longer than {API_LATENCY_MILLISECONDS // 1000} seconds, for ten minutes.",
        metric("AWS/ApiGateway", "Latency", "p95", api),
        Threshold=API_LATENCY_MILLISECONDS,
        EvaluationPeriods=2,
    )
    concurrency = calculated(
        "ConcurrencyAlarm",
        f"Of the executions that AWS allows this account at once, {CONCURRENCY_PERCENT} % are in use. Beyond the limit "
        f"the function {API.lambda_name} is not started. Ask AWS for more.",
        "100 * running / SERVICE_QUOTA(running)",
        {"running": metric("AWS/Lambda", "ConcurrentExecutions", "Maximum", {}, 60)},
        Threshold=CONCURRENCY_PERCENT,
        EvaluationPeriods=5,
    )
    return errors | latency | concurrency


def names(resources: Mapping[str, Any]) -> Sequence[str]:
    """The logical names of the alarms among the resources."""
    return [name for name, resource in resources.items() if resource.get("Type") == "AWS::CloudWatch::Alarm"]


def _queue(resource: str) -> dict[str, Any]:
    return {"QueueName": {"Fn::GetAtt": [resource, "QueueName"]}}
