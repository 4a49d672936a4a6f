"""``make accept``: walk through a deployed system as a customer, and say what works.

    python -m infra.acceptance                         the running local system, with a bucket of its own
    TOKEN=… python -m infra.acceptance --url URL [--bucket BUCKET [--queue ARN]]

creates a managed collection, uploads, searches, syncs, downloads and deletes; with a bucket, it also connects a new
folder of it by a role that it creates with your AWS credentials, and with the queue it has that folder send events. On
the local system, the demo user also signs in to the dashboard, and out.
Whatever it made is deleted at the end, after a failure and after Ctrl-C too. The token needs the scope ``write``. The
exit status is 0 if all went well, 1 if a step failed or something was left behind, 130 after Ctrl-C.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

import boto3

from infra.acceptance.customer import Customer
from infra.acceptance.dashboard import Visitor
from infra.acceptance.walk import ERRORS, Walk
from infra.admin.command import report
from infra.cloudformation import Report
from infra.local_system import LocalSystem, LocalSystemNotFound, find_running

INTERRUPTED = 130  # as a shell has it of a process that SIGINT ended


def main(arguments: list[str] | None = None, say: Report = report) -> int:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="make accept", description=__doc__, formatter_class=formatter)
    parser.add_argument("--url", default="", help="where callers reach the API (default: the running local system)")
    parser.add_argument("--folder", type=Path, help="of the local system (default: the one that runs)")
    parser.add_argument("--bucket", default="", help="a bucket that may be used, of your AWS account")
    parser.add_argument("--queue", default="", help="the ARN of the events queue, the stack's output EventsQueueArn")
    options = parser.parse_args(arguments)
    token = os.environ.get("TOKEN", "")
    if options.url and not token:
        parser.error("set the variable TOKEN to a token of the account: make accept URL=… TOKEN=…")
    try:
        system = running_at(options.url, options.folder)
        if system is not None:
            visitor = Visitor(system.dashboard_url, system.demo_user, system.demo_password)
            walk = Walk(system.api_url, system.token, local_customer(system, options.bucket), say, visitor)
        else:
            walk = Walk(options.url, token, customer_on_aws(options.bucket, options.queue), say)
    except (LocalSystemNotFound, *ERRORS) as error:
        print(error, file=sys.stderr)
        return 1
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        passed = walk.run()
    except KeyboardInterrupt:
        say("Stopped; what was made is deleted.")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    say("ok" if passed else "FAILED")
    return 0 if passed else 1


def customer_on_aws(bucket: str, queue: str) -> Customer | None:
    """The owner of a bucket with the caller's AWS credentials; None where no bucket is named."""
    return Customer(boto3.Session(), None, bucket, queue or None) if bucket else None


def running_at(url: str, folder: Path | None) -> LocalSystem | None:
    """The running local system, if that is the one at the URL, or no URL is given; None for any other URL.

    Raises:
        LocalSystemNotFound: no URL is given, and no local system can be chosen.
    """
    try:
        system = find_running(folder)
    except LocalSystemNotFound:
        if not url:
            raise
        return None
    return system if url.rstrip("/") in ("", system.api_url) else None


def local_customer(system: LocalSystem, bucket: str) -> Customer:
    """The owner of the sample bucket, or of another of the local system, which sends its events."""
    deployment, queue = system.deployment, system.outputs["EventsQueueArn"]
    return Customer(deployment.session, deployment.endpoint, bucket or system.sample_bucket, queue)


if __name__ == "__main__":
    sys.exit(main())
