"""``redrive``: what lies in the dead-letter queues and why, and back to its queue with it."""

import argparse
from collections.abc import Iterator
from typing import Any

from chalicelib.domain.messages import REDRIVEN_ATTRIBUTE
from infra.admin.deployment import Deployment

QUEUES = ("sync", "index", "events", "uploads", "deletions")
HELD_SECONDS = 120  # that a message is hidden from others while it is shown or sent back
# A new message for SQS, and yet one that workers have had before.
ATTRIBUTES = {REDRIVEN_ATTRIBUTE: {"DataType": "String", "StringValue": "yes"}}
SHOWN = 200  # characters of a message's body


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("redrive", help="send dead letters back to their queues, each with its reason shown")
    parser.add_argument("--queue", choices=QUEUES, help="only this queue's (default: all)")
    parser.add_argument("--dry-run", action="store_true", help="only show them")
    parser.set_defaults(run=redrive)


def redrive(deployment: Deployment, options: argparse.Namespace) -> None:
    sqs, count = deployment.client("sqs"), 0
    for name in [options.queue] if options.queue else QUEUES:
        queue = deployment.outputs[f"{name.capitalize()}QueueUrl"]
        dead = deployment.outputs[f"{name.capitalize()}DeadLettersUrl"]
        shown = []
        for letter in _letters(sqs, dead):
            reason = deployment.services.adapters.failure_log.reason(letter["MessageId"]) or "no reason was noted"
            print(f"{name} {letter['MessageId']}: {reason}\n  {letter['Body'][:SHOWN]}")
            count += 1
            if options.dry_run:
                shown.append(letter["ReceiptHandle"])
                continue
            # First there, then gone from here: what a crash doubles does no harm, what it loses would.
            sqs.send_message(QueueUrl=queue, MessageBody=letter["Body"], MessageAttributes=ATTRIBUTES)
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
        for handle in shown:
            sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=handle, VisibilityTimeout=0)
    print(f"{count} dead letters{'' if options.dry_run else ' sent back'}")


def _letters(sqs: Any, dead: str) -> Iterator[Any]:
    """Every message of a queue, each once: what has been handed out is hidden from the next look, for a while."""
    seen: set[str] = set()
    while True:
        found = sqs.receive_message(
            QueueUrl=dead, MaxNumberOfMessages=10, VisibilityTimeout=HELD_SECONDS, WaitTimeSeconds=1
        ).get("Messages", [])
        if not found or seen & {letter["MessageId"] for letter in found}:
            return
        seen |= {letter["MessageId"] for letter in found}
        yield from found
