"""The dashboard: four rows of graphs for four questions. Is it up? Is it fast? Is anything stuck? What does it cost?

Its form is CloudWatch's:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chalicelib.domain.messages import Queue
from infra.template import alarms
from infra.template.store_alarms import serverless_name
from infra.workers import API, ARM64, EMBEDDER, SCHEDULED, WORKERS, X86_64, Function, Worker

Widget = dict[str, Any]
Line = list[Any]  # a metric with its dimensions and options, or an expression

GRID, HEIGHT, HEADING, STATES = 24, 6, 1, 3  # units of the grid: its width, and the heights of widgets
PRICES = tomllib.loads((Path(__file__).parent.parent / "cost_data.toml").read_text("utf-8"))["prices"]
GB_SECONDS = {X86_64: "lambda_gb_seconds", ARM64: "lambda_gb_seconds_arm64"}  # the names of their prices
DAY = 86400  # seconds
API_DIMENSIONS = ["ApiName", "${AWS::StackName}", "Stage", "${RestAPI.Stage}"]
DOMAIN = ["DomainName", "${OpenSearchDomain}", "ClientId", "${AWS::AccountId}"]
COLLECTION = ["ClientId", "${AWS::AccountId}", "CollectionId", "${ServerlessCollection}", "CollectionName", "${Name}"]
GROUP = [
    "ClientId",
    "${AWS::AccountId}",
    "CollectionGroupId",
    "${ServerlessGroup.Id}",
    "CollectionGroupName",
    "${Name}",
]
INDEXING = (Queue.INDEX, Queue.CHANGES)  # whose workers report what became of files
TABLES = ("AccountsTable", "CollectionsTable", "CatalogueTable", "SyncsTable")


def dashboard(alarm_names: Sequence[str]) -> dict[str, Any]:
    """The resource and its output.

    Args:
        alarm_names: of the alarms that every deployment has; those of the vector store are added by its kind.
    """
    rows = [
        ("Is it up?", _up(), _states(alarm_names)),
        ("Is it fast?", _fast(), []),
        ("Is anything stuck?", _stuck(), []),
        ("What does it cost?", _cost(), []),
    ]
    widgets: list[Widget] = []
    top = 0
    for question, graphs, states in rows:
        widgets.append(_text(f"## {question}", top))
        top += HEADING
        for widget in states:
            widgets.append({**widget, "x": 0, "y": top, "width": GRID, "height": STATES})
            top += STATES
        widgets += _in_a_row(graphs, top)
        top += HEIGHT
    widgets.append(_text("## The vector store", top))
    body = json.dumps({"start": "-PT12H", "periodOverride": "inherit", "widgets": widgets}, separators=(",", ":"))
    return {
        "Resources": {
            "Dashboard": {
                "Type": "AWS::CloudWatch::Dashboard",
                "Properties": {
                    "DashboardName": {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"},
                    # The graphs of the store stand within the list of widgets.
                    "DashboardBody": {"Fn::Sub": [body[:-2] + "${Store}]}", {"Store": _store(top + HEADING)}]},
                },
            }
        },
        "Outputs": {
            "DashboardUrl": {
                "Value": {
                    "Fn::Sub": "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}"
                    "#dashboards/dashboard/${Dashboard}"
                }
            }
        },
    }


def _up() -> list[Widget]:
    return [
        _graph("Requests", [["AWS/ApiGateway", "Count", *API_DIMENSIONS]]),
        _graph(
            "Requests that failed",
            [
                ["AWS/ApiGateway", "5XXError", *API_DIMENSIONS, {"label": "500 and above"}],
                ["AWS/ApiGateway", "4XXError", *API_DIMENSIONS, {"label": "400 to 499"}],
            ],
        ),
        _graph("Functions that failed", [_of_function("Errors", row) for row in _functions()]),
        _graph("Functions that were not started", [_of_function("Throttles", row) for row in _functions()]),
    ]


def _fast() -> list[Widget]:
    latency = ["AWS/ApiGateway", "Latency", *API_DIMENSIONS]
    return [
        _graph(
            "Milliseconds of a request",
            [[*latency, {"stat": stat, "label": stat}] for stat in ("p50", "p95", "p99")],
        ),
        _graph("Milliseconds of the API's function, p95", [_of_function("Duration", API, "p95")]),
        _graph("Milliseconds of the embedder, p95", [_of_function("Duration", EMBEDDER, "p95")]),
        _graph(
            "Functions that run at once",
            [
                ["AWS/Lambda", "ConcurrentExecutions", {"stat": "Maximum", "label": "all of the account"}],
                *(_of_function("ConcurrentExecutions", row, "Maximum") for row in (API, EMBEDDER)),
            ],
        ),
    ]


def _stuck() -> list[Widget]:
    waiting = "ApproximateNumberOfMessagesVisible"
    return [
        _graph(
            "Age of the oldest message, seconds",
            [_of_worker("OldestMessageSeconds", row, "Maximum") for row in WORKERS]
            + [_of_queue("ApproximateAgeOfOldestMessage", row.queue_resource, "Maximum") for row in WORKERS],
        ),
        _graph(
            "Messages that wait",
            [_of_queue(waiting, row.queue_resource, "Maximum") for row in WORKERS],
        ),
        _graph(
            "Messages that fail, and dead letters",
            [_of_worker("MessagesFailed", row, "Sum") for row in WORKERS]
            + [
                _of_queue("ApproximateNumberOfMessagesVisible", row.dead_letters_resource, "Maximum") for row in WORKERS
            ],
        ),
        _graph(
            "Writes that tables throttle",
            [["AWS/DynamoDB", "WriteThrottleEvents", "TableName", f"${{{name}}}"] for name in TABLES],
        ),
    ]


def _cost() -> list[Widget]:
    """Dollars a day, at the list prices of ``infra/cost_data.toml``: those of us-east-1."""
    functions = [
        _priced(
            f"f{number}",
            row.lambda_name,
            f"duration{number} / 1000 * {_memory(row)} / 1024 * {_price(GB_SECONDS[row.architecture])}",
            {f"duration{number}": _of_function("Duration", row, "Sum")},
        )
        for number, row in enumerate(_functions())
    ]
    requests = _priced(
        "api",
        "API Gateway",
        f"count * {_price('api_requests')}",
        {"count": ["AWS/ApiGateway", "Count", *API_DIMENSIONS]},
    )
    tables = [
        _priced(
            f"t{number}",
            name,
            f"reads{number} * {_price('dynamodb_reads')} + writes{number} * {_price('dynamodb_writes')}",
            {
                f"reads{number}": ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", f"${{{name}}}"],
                f"writes{number}": ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", f"${{{name}}}"],
            },
        )
        for number, name in enumerate(TABLES)
    ]
    files = ["AWS/S3", "BucketSizeBytes", "StorageType", "StandardStorage", "BucketName"]
    return [
        _graph("Dollars a day: functions", [line for lines in functions for line in lines], period=DAY),
        _graph("Dollars a day: API Gateway and tables", [*requests, *(line for t in tables for line in t)], period=DAY),
        _graph(
            "Bytes in buckets",
            [[*files, f"${{{name}}}", {"stat": "Average"}] for name in ("ManagedBucket", "ThumbnailsBucket")],
            period=DAY,
        ),
        _graph(
            "Files",
            [
                _files(name, row)
                for name in ("Done", "Failed", "Removed", "Skipped")
                for row in WORKERS
                if row.queue in INDEXING
            ],
            period=DAY,
        ),
    ]


def _store(top: int) -> dict[str, Any]:
    """The graphs of the store that the stack has, as the text that follows the other widgets."""
    domain = [
        _graph(
            "Vector store: state",
            [["AWS/ES", f"ClusterStatus.{c}", *DOMAIN, {"stat": "Maximum"}] for c in ("red", "yellow")],
        ),
        _graph(
            "Vector store: processor, Java and vector memory, %",
            [
                ["AWS/ES", name, *DOMAIN, {"stat": "Maximum"}]
                for name in ("CPUUtilization", "JVMMemoryPressure", "KNNGraphMemoryUsagePercentage")
            ],
        ),
        _graph("Vector store: free disk, MiB", [["AWS/ES", "FreeStorageSpace", *DOMAIN, {"stat": "Minimum"}]]),
        _graph("Vector store: milliseconds of a search", [["AWS/ES", "SearchLatency", *DOMAIN, {"stat": "Average"}]]),
    ]
    serverless = [
        _graph(
            "Vector store: requests that failed",
            [["AWS/AOSS", name, *COLLECTION] for name in ("SearchRequestErrors", "IngestionRequestErrors")],
        ),
        _graph(
            "Vector store: compute units",
            [["AWS/AOSS", name, *GROUP, {"stat": "Maximum"}] for name in ("SearchOCU", "IndexingOCU")],
        ),
        _graph(
            "Vector store: milliseconds of a search",
            [["AWS/AOSS", "SearchRequestLatency", *COLLECTION, {"stat": "Average"}]],
        ),
    ]

    def text(widgets: list[Widget]) -> str:
        return "," + json.dumps(_in_a_row(widgets, top), separators=(",", ":"))[1:-1]

    return {
        "Fn::If": [
            "HasDomain",
            {"Fn::Sub": text(domain)},
            {"Fn::If": ["HasServerless", {"Fn::Sub": [text(serverless), {"Name": serverless_name()}]}, ""]},
        ]
    }


def _states(names: Sequence[str]) -> list[Widget]:
    arn = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${AWS::StackName}-"
    return [{"type": "alarm", "properties": {"title": "Alarms", "alarms": [arn + name for name in names]}}]


def _graph(title: str, lines: Iterable[Line], period: int = 300) -> Widget:
    properties = {
        "title": title,
        "region": "${AWS::Region}",
        "view": "timeSeries",
        "stat": "Sum",
        "period": period,
        "metrics": list(lines),
    }
    if period == DAY:
        properties["start"] = "-P14D"  # some days, whatever the dashboard shows of the rest
    return {"type": "metric", "properties": properties}


def _text(markdown: str, top: int) -> Widget:
    properties = {"markdown": markdown, "background": "transparent"}
    return {"type": "text", "x": 0, "y": top, "width": GRID, "height": HEADING, "properties": properties}


def _in_a_row(widgets: Sequence[Widget], top: int) -> list[Widget]:
    width = GRID // len(widgets)
    return [
        {**widget, "x": number * width, "y": top, "width": width, "height": HEIGHT}
        for number, widget in enumerate(widgets)
    ]


def _functions() -> list[Function]:
    return [API, EMBEDDER, *(row.function for row in WORKERS), *SCHEDULED]


def _of_function(metric: str, row: Function, stat: str = "Sum") -> Line:
    return ["AWS/Lambda", metric, "FunctionName", f"${{{row.name}}}", {"stat": stat, "label": row.lambda_name}]


def _of_queue(metric: str, resource: str, stat: str) -> Line:
    return ["AWS/SQS", metric, "QueueName", f"${{{resource}.QueueName}}", {"stat": stat, "label": resource}]


def _of_worker(metric: str, row: Worker, stat: str) -> Line:
    name = f"${{{row.queue_resource}.QueueName}}"
    options = {"stat": stat, "label": f"{row.queue} worker"}
    return [alarms.METRICS, metric, "service", "similarix", "queue", name, options]


def _files(outcome: str, row: Worker) -> Line:
    queue = f"${{{row.queue_resource}.QueueName}}"
    label = f"{outcome.lower()}, {row.queue}"
    return [alarms.METRICS, f"Files{outcome}", "service", "similarix", "queue", queue, {"label": label}]


def _priced(identifier: str, label: str, expression: str, metrics: dict[str, Line]) -> list[Line]:
    """An expression with the hidden metrics that it names; a missing metric is nothing that costs."""
    hidden: list[Line] = []
    for name, line in metrics.items():
        *named, options = line if isinstance(line[-1], dict) else [*line, {}]
        hidden.append([*named, {**options, "id": name, "visible": False}])
    return [[{"expression": expression, "label": label, "id": identifier}], *hidden]


def _memory(row: Function) -> str:
    """In MB, or the placeholder of the parameter that has it."""
    return f"${{{row.memory}}}" if isinstance(row.memory, str) else str(row.memory)


def _price(name: str) -> str:
    """Dollars for one, written out as a metric's expression takes them."""
    return f"{PRICES[name]['dollars'] / PRICES[name]['per']:.12f}".rstrip("0")
