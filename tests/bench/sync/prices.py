"""List prices of us-east-1 in dollars, as remembered on 2026-11-24; check them before relying on them.

https://aws.amazon.com/s3/pricing/, https://aws.amazon.com/dynamodb/pricing/on-demand/,
https://aws.amazon.com/sqs/pricing/
"""

from collections.abc import Mapping

REQUEST_PRICES = {
    "s3_list": 0.005 / 1_000,
    "s3_head": 0.0004 / 1_000,
    "s3_get": 0.0004 / 1_000,
    "s3_put": 0.005 / 1_000,
    "dynamodb_reads": 0.125 / 1_000_000,  # units, on demand
    "dynamodb_writes": 0.625 / 1_000_000,
    "sqs_requests": 0.40 / 1_000_000,  # of up to 64 KB each; a receive and a delete are requests too
}


def dollars(counts: Mapping[str, float]) -> float:
    return sum(counts.get(name, 0) * price for name, price in REQUEST_PRICES.items())
