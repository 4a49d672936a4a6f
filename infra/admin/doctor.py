"""``doctor``: whether the vector store says what the catalogue says, and what to do where it does not."""

import argparse
from typing import Any

from infra.admin.deployment import Deployment
from infra.admin.reindex import say


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "doctor", help="compare the vector store with the catalogue: indexes, counts, sampled vectors, recall"
    )
    parser.add_argument("--purge", action="store_true", help="also delete old tombstones and what was overtaken")
    parser.set_defaults(run=doctor)


def doctor(deployment: Deployment, options: argparse.Namespace) -> None:
    services = deployment.services
    if options.purge:
        print(f"{services.adapters.vectors.purge()} old tombstones deleted")
    findings = services.consistency_check.run(services.every_collection(), services.model_version(), say)
    if findings:
        raise ValueError("\n".join(f"- {finding}" for finding in findings))
    print("All is well.")
