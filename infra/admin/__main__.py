"""Administer a deployment: ``python -m infra.admin --local COMMAND``, or ``--stack NAME --region REGION COMMAND``."""

import argparse
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import SimilarixError
from infra.admin import (
    accounts,
    calibrate,
    doctor,
    evaluate,
    images,
    migrate,
    recount,
    redrive,
    reindex,
    renewal,
    signing_key,
    sync,
    thumbnails,
    tokens,
    usage,
    users,
)
from infra.admin.command import ExitStatus, printable
from infra.admin.deployment import Deployment
from infra.local_system import LocalSystemNotFound, find_running

COMMANDS = (
    accounts,
    tokens,
    users,
    usage,
    sync,
    calibrate,
    evaluate,
    doctor,
    reindex,
    migrate,
    recount,
    renewal,
    redrive,
    thumbnails,
    images,
    signing_key,
)
ERROR_STATUS = 1  # as with findings; an error is printed to standard error, findings to standard output


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.admin", description="Administer a deployment of Similarix.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--local", action="store_true", help="the system that 'make run' has started here")
    where.add_argument("--stack", help="the name of a stack on AWS")
    parser.add_argument("--folder", type=Path, help="of the local system (default: the one that runs)")
    parser.add_argument("--region", help="the stack's AWS region; by default your profile's")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    options = parser.parse_args(arguments)
    try:
        if options.local:
            deployment = find_running(options.folder).deployment
        else:
            deployment = Deployment.on_aws(options.stack, options.region)
        status: ExitStatus = options.run(deployment, options)
    except (BotoCoreError, ClientError, LocalSystemNotFound, SimilarixError, ValueError) as error:
        print(printable(str(error)), file=sys.stderr)
        return ERROR_STATUS
    return status


if __name__ == "__main__":
    sys.exit(main())
