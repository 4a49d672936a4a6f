"""``doctor``: compares the vector store with the catalogue, and says what to do where they differ."""

import argparse
from typing import Any

from infra.admin.command import ExitStatus, report, report_findings
from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "doctor", help="compare the vector store with the catalogue: indexes, counts, sampled vectors, recall"
    )
    parser.add_argument("--purge", action="store_true", help="also delete old tombstones and superseded documents")
    parser.set_defaults(run=doctor)


def doctor(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    services = deployment.services
    if options.purge:
        # The port directly: the store alone decides what is old enough.
        report(f"{services.adapters.vectors.purge()} old tombstones deleted")
    findings = services.consistency_check.run(services.every_collection(), services.model_version(), report)
    if not findings:
        report("All is well.")
    return report_findings(findings)
