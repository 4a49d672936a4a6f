"""List prices of what a sync requests, in dollars: those of ``infra.costs``, which have their dates and sources."""

from collections.abc import Mapping

from infra.costs import PRICES

REQUESTS = ("s3_list", "s3_head", "s3_get", "s3_put", "dynamodb_reads", "dynamodb_writes", "sqs_requests")
REQUEST_PRICES = {name: PRICES[name]["dollars"] / PRICES[name]["per"] for name in REQUESTS}


def dollars(counts: Mapping[str, float]) -> float:
    return sum(counts.get(name, 0) * price for name, price in REQUEST_PRICES.items())
