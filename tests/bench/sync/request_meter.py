"""Counts the requests to S3, DynamoDB and SQS where each of them passes."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from infra.emulator import Emulator
from infra.root_key import RootKey
from tests.contract.tables import make_table

_S3_LOG_LINE = re.compile(r"\b(GET|HEAD|PUT|POST|DELETE) (/\S*?)(?:\?\S*)? -> service=s3 ")
_SINGLE_WRITES = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}
_WRITE_OPERATIONS = {f"{name}Item": call for name, call in _SINGLE_WRITES.items()}
_CONDITION_PARAMETERS = ("ConditionExpression", "ReturnValuesOnConditionCheckFailure", "ReturnValues")


class LoggingEmulator(Emulator):
    """An emulator that logs every request, the embedder's by presigned URL too."""

    def _environment(self, root_key: RootKey) -> dict[str, str]:
        return super()._environment(root_key) | {"LOG_LEVEL": "DEBUG"}


class RequestMeter:
    """Counts by name: ``s3_…`` requests by kind, ``dynamodb_requests``, ``dynamodb_reads`` and ``dynamodb_writes`` in
    capacity units, ``sqs_requests`` and ``sqs_messages``.

    Units are what DynamoDB Local reports for each call, with two corrections. Of a transaction it reports one item
    alone: each item is therefore written to a second table as well, and counts twice what it takes there, as Amazon
    charges (indexes too, which may be too much). A read without a result counts as nothing there, and as the minimum on
    AWS.
    """

    def __init__(self, log: Path, dynamodb: Any) -> None:
        self.counts: Counter[str] = Counter()
        self._log = log
        self._dynamodb = dynamodb
        self._second_tables: dict[str, str] = {}
        self._lock = Lock()

    def make_table(self, resource: str) -> str:
        """Create a table of the template, and a second one to write to; returns the name of the first."""
        name = make_table(self._dynamodb, resource)
        self._second_tables[name] = make_table(self._dynamodb, resource)
        return name

    def count_dynamodb(self, client: Any) -> Any:
        """Count the calls of a client of DynamoDB, which must not be the meter's own."""
        client.meta.events.register("before-parameter-build.dynamodb.*", _request_consumed_capacity)
        client.meta.events.register("after-call.dynamodb.*", self._count_capacity)
        return client

    def count_sqs(self, client: Any) -> Any:
        """Count the messages that a client of SQS sends."""
        client.meta.events.register("before-parameter-build.sqs.SendMessage", self._count_send)
        client.meta.events.register("before-parameter-build.sqs.SendMessageBatch", self._count_send)
        return client

    def count_delivery(self) -> None:
        """Count messages that were received and deleted together, which are two requests."""
        self.counts["sqs_requests"] += 2

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Count the requests made inside the block; the counts are complete after it."""
        self.counts.clear()
        start = self._log.stat().st_size
        yield self.counts
        with self._log.open("rb") as log:
            log.seek(start)
            for method, path in _S3_LOG_LINE.findall(log.read().decode(errors="replace")):
                is_object = "/" in path.strip("/")
                self.counts[f"s3_{method.lower() if is_object or method != 'GET' else 'list'}"] += 1

    def _count_capacity(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        with self._lock:  # the catalogue queries an index in threads
            self._count(parsed, model, context["bench_request"])

    def _count(self, parsed: Mapping[str, Any], model: Any, request: Mapping[str, Any]) -> None:
        self.counts["dynamodb_requests"] += 1
        if "Error" in parsed:
            self.counts["dynamodb_writes"] += 1  # a failed condition is charged too
        elif model.name == "TransactWriteItems":
            self.counts["dynamodb_writes"] += sum(2 * self._single_units(part) for part in request["TransactItems"])
        elif model.name == "BatchWriteItem":
            self.counts["dynamodb_writes"] += sum(float(table["CapacityUnits"]) for table in parsed["ConsumedCapacity"])
        elif model.name in _WRITE_OPERATIONS:
            self.counts["dynamodb_writes"] += self._write_again(_WRITE_OPERATIONS[model.name], request)
        else:
            self.counts["dynamodb_reads"] += _read_units(model.name, request, parsed)

    def _single_units(self, part: Mapping[str, Any]) -> float:
        """Return the units of a transaction's part if it were written alone; a mere check reads an item of one unit."""
        return sum(
            self._write_again(_SINGLE_WRITES[kind], request) if kind in _SINGLE_WRITES else 1
            for kind, request in part.items()
        )

    def _write_again(self, call: str, request: Mapping[str, Any]) -> float:
        """Write the same to the second table; returns the units."""
        parameters = {name: value for name, value in request.items() if name not in _CONDITION_PARAMETERS}
        for field in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            expression = parameters.get("UpdateExpression", "")
            used = {name: value for name, value in parameters.pop(field, {}).items() if _mentions(expression, name)}
            parameters |= {field: used} if used else {}
        parameters |= {"TableName": self._second_tables[request["TableName"]], "ReturnConsumedCapacity": "TOTAL"}
        return float(getattr(self._dynamodb, call)(**parameters)["ConsumedCapacity"]["CapacityUnits"])

    def _count_send(self, params: Mapping[str, Any], **_: Any) -> None:
        self.counts["sqs_requests"] += 1
        self.counts["sqs_messages"] += len(params.get("Entries", (params,)))


def _read_units(operation: str, request: Mapping[str, Any], response: Mapping[str, Any]) -> float:
    if operation == "BatchGetItem":
        keys = sum(len(table["Keys"]) for table in request["RequestItems"].values())
        missing = keys - sum(map(len, response["Responses"].values()))
        return missing + sum(float(table["CapacityUnits"]) for table in response["ConsumedCapacity"])
    minimum = 1 if request.get("ConsistentRead") else 0.5
    return max(minimum, float(response["ConsumedCapacity"]["CapacityUnits"]))


def _mentions(expression: str, name: str) -> bool:
    return re.search(rf"{re.escape(name)}\b", expression) is not None


def _request_consumed_capacity(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        context["bench_request"] = dict(params)
        params["ReturnConsumedCapacity"] = "TOTAL"
