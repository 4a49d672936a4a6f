"""``redrive``: shows the messages of the dead-letter queues with their reasons, and sends them back to their queues."""

import argparse
from collections.abc import Iterator
from typing import Any

from chalicelib.domain.messages import REDRIVEN_ATTRIBUTE, Queue
from infra.admin.command import ExitStatus, report
from infra.admin.deployment import Deployment

VISIBILITY_TIMEOUT_SECONDS = 120  # that a message is hidden from others while it is shown or sent back
# Tells workers that the message was handled before, though SQS delivers it as a new one.
MESSAGE_ATTRIBUTES = {REDRIVEN_ATTRIBUTE: {"DataType": "String", "StringValue": "yes"}}
MAX_BODY_LENGTH = 200  # characters of a message's body that are shown


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("redrive", help="show dead letters with their reasons, and send them back")
    parser.add_argument("--queue", choices=list(Queue), type=Queue, help="only this queue's (default: all)")
    parser.add_argument("--dry-run", action="store_true", help="only show them")
    parser.set_defaults(run=redrive)


def redrive(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    sqs, count = deployment.client("sqs"), 0
    for queue in [options.queue] if options.queue else Queue:
        dead_letters = deployment.dead_letters_url(queue)
        shown = []
        for letter in _dead_letters(sqs, dead_letters):
            # The port directly: a reason is only looked up.
            reason = deployment.services.adapters.failure_log.reason(letter["MessageId"]) or "no reason is recorded"
            report(f"{queue} {letter['MessageId']}: {reason}")
            report(f"  {letter['Body'][:MAX_BODY_LENGTH]}")
            count += 1
            if options.dry_run:
                shown.append(letter["ReceiptHandle"])
                continue
            # Sent first, deleted second: after a crash between the two it is delivered twice, which does no harm.
            sqs.send_message(
                QueueUrl=deployment.queue_url(queue),
                MessageBody=letter["Body"],
                MessageAttributes=MESSAGE_ATTRIBUTES,
                **_group(letter),
            )
            sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=letter["ReceiptHandle"])
        for handle in shown:
            sqs.change_message_visibility(QueueUrl=dead_letters, ReceiptHandle=handle, VisibilityTimeout=0)
    report(f"{count} dead letters{'' if options.dry_run else ' sent back'}")
    return ExitStatus.OK


def _group(letter: Any) -> dict[str, str]:
    """The account that a letter belongs to, as SQS names it; an event of S3 has none."""
    group = letter.get("Attributes", {}).get("MessageGroupId")
    return {} if group is None else {"MessageGroupId": group}


def _dead_letters(sqs: Any, queue_url: str) -> Iterator[Any]:
    """Every message of a queue once; a received one is hidden until its visibility timeout ends."""
    seen: set[str] = set()
    while True:
        letters = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["MessageGroupId"],
            VisibilityTimeout=VISIBILITY_TIMEOUT_SECONDS,
            WaitTimeSeconds=1,
        ).get("Messages", [])
        if not letters or seen & {letter["MessageId"] for letter in letters}:
            return
        seen |= {letter["MessageId"] for letter in letters}
        yield from letters
