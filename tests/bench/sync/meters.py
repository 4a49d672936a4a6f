"""What is asked of S3, DynamoDB and SQS, counted where it cannot be missed."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.emulator import Emulator
from tests.contract.tables import make_table

_S3 = re.compile(r"\b(GET|HEAD|PUT|POST|DELETE) (/\S*?)(?:\?\S*)? -> service=s3 ")
_ALONE = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}
_WRITES = {f"{name}Item": call for name, call in _ALONE.items()}
_CONDITIONS = ("ConditionExpression", "ReturnValuesOnConditionCheckFailure", "ReturnValues")


class LoudEmulator(Emulator):
    """Its log has a line for every request, whoever makes it: the embedder's by presigned URL too."""

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"LOG_LEVEL": "DEBUG"}


class Meters:
    """Counts by name: ``s3_…`` requests by kind, ``dynamodb_requests``, ``dynamodb_reads`` and ``dynamodb_writes`` in
    capacity units, ``sqs_requests`` and ``sqs_messages``.

    Units are what DynamoDB Local says of each call, but for what it says wrongly. Of a transaction it reports one item
    alone: each item is therefore written to a second table, and counts twice what it takes there, as Amazon charges
    (indexes too, which may be too much). A read that finds nothing counts as nothing there, and for the least on AWS.
    """

    def __init__(self, log: Path, dynamodb: Any) -> None:
        self.counts: Counter[str] = Counter()
        self._log = log
        self._dynamodb = dynamodb
        self._doubles: dict[str, str] = {}

    def table(self, resource: str) -> str:
        """Make a table of the template; answers its name."""
        name = make_table(self._dynamodb, resource)
        self._doubles[name] = make_table(self._dynamodb, resource)
        return name

    def read(self, client: Any) -> Any:
        """The client of DynamoDB, another one than the meters' own, asked what each of its calls consumes."""
        client.meta.events.register("before-parameter-build.dynamodb.*", _ask)
        client.meta.events.register("after-call.dynamodb.*", self._consumed)
        return client

    def watch(self, client: Any) -> Any:
        """The client of SQS, its sends counted."""
        client.meta.events.register("before-parameter-build.sqs.SendMessage", self._sent)
        return client

    def handed_out(self) -> None:
        """Messages were received and deleted together, which are two requests."""
        self.counts["sqs_requests"] += 2

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """What happens inside; complete once it is left."""
        self.counts.clear()
        start = self._log.stat().st_size
        yield self.counts
        with self._log.open("rb") as log:
            log.seek(start)
            for method, path in _S3.findall(log.read().decode(errors="replace")):
                is_object = "/" in path.strip("/")
                self.counts[f"s3_{method.lower() if is_object or method != 'GET' else 'list'}"] += 1

    def _consumed(self, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        self.counts["dynamodb_requests"] += 1
        asked: dict[str, Any] = context["asked"]
        if "Error" in parsed:
            self.counts["dynamodb_writes"] += 1  # a condition that does not hold is charged all the same
        elif model.name == "TransactWriteItems":
            self.counts["dynamodb_writes"] += sum(2 * self._alone(item) for item in asked["TransactItems"])
        elif model.name in _WRITES:
            self.counts["dynamodb_writes"] += self._again(_WRITES[model.name], asked)
        else:
            self.counts["dynamodb_reads"] += _read_units(model.name, asked, parsed)

    def _alone(self, item: Mapping[str, Any]) -> float:
        """Units of one item of a transaction if it were written alone; a mere check reads an item of one unit."""
        return sum(self._again(_ALONE[kind], asked) if kind in _ALONE else 1 for kind, asked in item.items())

    def _again(self, call: str, asked: Mapping[str, Any]) -> float:
        """Write the same into the second table; answers the units."""
        kept = {name: value for name, value in asked.items() if name not in _CONDITIONS}
        for part in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            used = {n: v for n, v in kept.pop(part, {}).items() if _mentions(kept.get("UpdateExpression", ""), n)}
            kept |= {part: used} if used else {}
        kept |= {"TableName": self._doubles[asked["TableName"]], "ReturnConsumedCapacity": "TOTAL"}
        return float(getattr(self._dynamodb, call)(**kept)["ConsumedCapacity"]["CapacityUnits"])

    def _sent(self, **_: Any) -> None:
        self.counts["sqs_requests"] += 1
        self.counts["sqs_messages"] += 1


def _read_units(name: str, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> float:
    if name == "BatchGetItem":
        keys = sum(len(each["Keys"]) for each in asked["RequestItems"].values())
        missing = keys - sum(map(len, answer["Responses"].values()))
        return missing + sum(float(each["CapacityUnits"]) for each in answer["ConsumedCapacity"])
    least = 1 if asked.get("ConsistentRead") else 0.5
    return max(least, float(answer["ConsumedCapacity"]["CapacityUnits"]))


def _mentions(expression: str, name: str) -> bool:
    return re.search(rf"{re.escape(name)}\b", expression) is not None


def _ask(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    if "ReturnConsumedCapacity" in model.input_shape.members:
        context["asked"] = dict(params)
        params["ReturnConsumedCapacity"] = "TOTAL"
