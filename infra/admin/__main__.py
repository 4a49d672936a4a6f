"""Administer a deployment: ``python -m infra.admin --local COMMAND``, or ``--stack NAME --region REGION COMMAND``."""

import argparse
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import SimilarixError
from infra.admin import accounts, doctor, migrate, recount, redrive, reindex, thumbnails, tokens, usage
from infra.admin.deployment import FOLDER, STACK_FILE, Deployment, DeploymentNotFound

COMMANDS = (accounts, tokens, usage, doctor, reindex, migrate, recount, redrive, thumbnails)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.admin", description="Administer a deployment of Similarix.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--local", action="store_true", help="the system that 'make run' started here")
    where.add_argument("--stack", help="the name of a stack on AWS")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the local system (default: %(default)s)")
    parser.add_argument("--region", help="the stack's AWS region; by default your profile's")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(subparsers)
    options = parser.parse_args(arguments)
    try:
        if options.local:
            deployment = Deployment.local(options.folder / STACK_FILE)
        else:
            deployment = Deployment.on_aws(options.stack, options.region)
        options.run(deployment, options)
    except (BotoCoreError, ClientError, DeploymentNotFound, SimilarixError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
