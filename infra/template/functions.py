"""The resources of each function: rows of ``infra.workers`` written out as CloudFormation."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.config import queue_variable
from infra.template import alarms
from infra.template.edits import Template
from infra.workers import MAX_DELIVERIES, RETENTION_DAYS, RUNTIME, Function, Worker

Resource = dict[str, Any]
Statements = Sequence[Mapping[str, Any]]

LAMBDA_ASSUMES = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
WRITE_LOG = ["logs:CreateLogStream", "logs:PutLogEvents"]
# DeleteMessage covers batches on AWS; the emulator knows a batch as an action of its own, so the name ends in '*'.
RECEIVE = ["sqs:ReceiveMessage", "sqs:DeleteMessage*", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"]
SCHEDULE_DEAD_LETTERS = "ScheduleDeadLetters"
# A schedule that fires again in a quarter of an hour need not be tried for EventBridge's 24 hours.
SCHEDULE_RETRIES = {"MaximumEventAgeInSeconds": 3600, "MaximumRetryAttempts": 8}
# A function handles one event at a time, on a share of a processor that Lambda grants by memory. The numeric libraries
# would use every processor they see, and many functions on one machine would wait for each other's spinning threads
# (docs/benchmarks.md). They read these when they are loaded, so they must stand in the environment from the start.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def lambda_function(row: Function, statements: Statements) -> Template:
    """A function's name, size, processor, log group, role, alarms, output, and the threads of its numeric libraries.

    Args:
        statements: what its role may do, beside writing its log.
    """
    log_group = f"{row.name}Logs"
    function = {
        # The log group first: a function that logs without one creates its own, which never expires.
        "DependsOn": log_group,
        "Properties": {
            "FunctionName": _in_stack(row.lambda_name),
            "MemorySize": {"Ref": row.memory} if isinstance(row.memory, str) else row.memory,
            "Timeout": row.timeout,
            "Architectures": [row.architecture],
            "Role": _arn(f"{row.name}Role"),
            "Environment": {"Variables": dict(ONE_THREAD)},
        },
    }
    resources = {
        row.name: function,
        log_group: {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": {"Fn::Sub": f"/aws/lambda/${{AWS::StackName}}-{row.lambda_name}"},
                "RetentionInDays": {"Ref": "LogRetentionDays"},
            },
        },
        f"{row.name}Role": _role(row.lambda_name, [_allow(WRITE_LOG, log_group), *statements]),
        **alarms.of_function(row),
    }
    return {"Resources": resources, "Outputs": {f"{row.name}Name": {"Value": {"Ref": row.name}}}}


def application_function(
    row: Function, statements: Statements, environment: Mapping[str, Any], events: Mapping[str, Any] | None = None
) -> Template:
    """A function whose code and triggers are app.py's, with the application's environment."""
    template = lambda_function(row, statements)
    properties = template["Resources"][row.name]["Properties"]
    properties["Runtime"] = RUNTIME
    properties["Environment"]["Variables"] |= {**environment, "FUNCTION_TIMEOUT": str(row.timeout)}
    if events is not None:
        properties["Events"] = {name: {"Properties": settings} for name, settings in events.items()}
    return template


def scheduled(row: Function, statements: Statements, environment: Mapping[str, Any]) -> Template:
    """A function that app.py runs on a schedule.

    EventBridge sends what it cannot deliver, and Lambda what fails in each attempt, to the dead letters of schedules.
    """
    dead_letters = _arn(SCHEDULE_DEAD_LETTERS)
    event = {"Enabled": True, "DeadLetterConfig": {"Arn": dead_letters}, "RetryPolicy": SCHEDULE_RETRIES}
    statement = _allow(["sqs:SendMessage"], SCHEDULE_DEAD_LETTERS)
    template = application_function(row, [statement, *statements], environment, {f"{row.name}Event": event})
    template["Resources"][row.name]["Properties"]["EventInvokeConfig"] = {
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": dead_letters}}
    }
    return template


def schedule_dead_letters() -> Template:
    """The queue of the schedules' dead letters, and its alarm."""
    queue = _queue("schedules-dlq")
    return {"Resources": {SCHEDULE_DEAD_LETTERS: queue, **alarms.of_schedules(SCHEDULE_DEAD_LETTERS)}}


def worker(row: Worker, statements: Statements, environment: Mapping[str, Any]) -> Template:
    """A function that receives from a queue, with the queue, its dead-letter queue and their alarms.

    Chalice names the queue in the event source and does not refer to it; the environment's reference to the queue is
    what has CloudFormation create it first. Its role may receive from the queue and record why a message failed.
    """
    function = row.function
    receive, log_failures = _allow(RECEIVE, row.queue_resource), _allow(["dynamodb:PutItem"], "SyncsTable")
    # A failed message is delivered again without the others of its batch.
    source = {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BatchSize": row.batch_size,
        "ScalingConfig": {"MaximumConcurrency": row.max_concurrency},
    }
    template = application_function(
        function, [receive, log_failures, *statements], environment, {f"{function.name}SqsEventSource": source}
    )
    if row.paces_writes:
        variables = template["Resources"][function.name]["Properties"]["Environment"]["Variables"]
        variables["COLLECTION_WRITE_UNITS"] = {"Ref": "CollectionWriteUnits"}
    if row.feeds_itself:
        template["Resources"][function.name]["Properties"]["RecursiveLoop"] = "Allow"
    template["Resources"] |= _queues(row) | alarms.of_queue(row)
    template["Outputs"] |= {
        f"{name}Url": {"Value": {"Ref": name}} for name in (row.queue_resource, row.dead_letters_resource)
    }
    return template


def queue_urls(workers: Iterable[Worker]) -> dict[str, Any]:
    """The environment variables that have the queues' URLs."""
    return {queue_variable(row.queue): {"Ref": row.queue_resource} for row in workers}


def _queues(row: Worker) -> dict[str, Resource]:
    # The names are fixed because app.py names the queues.
    redrive = {"deadLetterTargetArn": _arn(row.dead_letters_resource), "maxReceiveCount": MAX_DELIVERIES}
    queue = _queue(row.queue, VisibilityTimeout=row.visibility_timeout, RedrivePolicy=redrive)
    dead_letters = _queue(f"{row.queue}-dlq")
    return {row.queue_resource: queue, row.dead_letters_resource: dead_letters}


def _queue(name: str, **properties: Any) -> Resource:
    return {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": _in_stack(name),
            "MessageRetentionPeriod": RETENTION_DAYS * 24 * 3600,
            "SqsManagedSseEnabled": True,
            **properties,
        },
    }


def _role(policy: str, statements: Statements) -> Resource:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": LAMBDA_ASSUMES,
            "Policies": [{"PolicyName": policy, "PolicyDocument": document}],
        },
    }


def _allow(actions: Sequence[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": _arn(resource)}


def _arn(resource: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [resource, "Arn"]}


def _in_stack(name: str) -> dict[str, str]:
    return {"Fn::Sub": f"${{AWS::StackName}}-{name}"}
