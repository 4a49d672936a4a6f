"""``recount``: compares the stored statistics of collections, their latest syncs and accounts with counted ones."""

import argparse
from collections.abc import Iterator
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.files import FileCounts
from chalicelib.services.maintenance.statistics_audit import CollectionAudit, SyncFigures, Totals
from infra.admin.command import ExitStatus, report, report_findings, select_collections
from infra.admin.deployment import Deployment

NOT_COUNTED = (
    "not recounted: how many objects the sync has listed, how many of its removals were of indexed pictures, and how "
    "the finished ones split into done, failed, removed and skipped"
)


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "recount", help="compare stored statistics with the catalogue, and the latest sync's figures with its batches"
    )
    parser.add_argument("--collection", metavar="UUID", help="only this one, with all its figures")
    parser.add_argument("--fix", action="store_true", help="store the counted files and bytes where they differ")
    parser.set_defaults(run=recount)


def recount(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    services = deployment.services
    findings: list[str] = []
    collections = select_collections(deployment, options.collection)
    for collection in collections:
        audit = services.statistics_audit.audit_collection(collection)
        if options.collection:
            report(_all_figures(audit))
        findings += _collection_findings(services, audit, fix=options.fix)
    if not options.collection:
        # After their collections, whose totals they sum up.
        for account in services.accounts.all():
            findings += _account_findings(services, account.uuid, fix=options.fix)
    report(f"{len(collections)} collections counted")
    return report_findings(findings)


def _collection_findings(services: Services, audit: CollectionAudit, *, fix: bool) -> Iterator[str]:
    uuid, stored, counted = audit.collection.uuid, audit.stored, audit.counted
    if not audit.stable:
        yield f"{uuid} changes while it is counted. Try again when no sync runs."
        return
    if stored.counts != counted.counts:
        if not fix:
            yield f"{uuid} has {_counts(stored.counts)} stored, and {_counts(counted.counts)} counted."
        elif services.statistics_audit.fix(audit):
            report(f"{uuid}: {_counts(stored.counts)} corrected to {_counts(counted.counts)}")
        else:
            yield f"{uuid} has changed since it was counted. Try again."
    if stored.sync != counted.sync:
        yield (
            f"{uuid}: its latest sync has {_sync_figures(stored.sync)} stored, and {_sync_figures(counted.sync)} "
            "counted. The next sync counts anew."
        )


def _account_findings(services: Services, account: str, *, fix: bool) -> Iterator[str]:
    audit = services.statistics_audit.audit_account(account)
    if audit.matches:
        return
    if fix and services.statistics_audit.fix(audit):
        report(f"account {account}: {_totals(audit.stored)} corrected to {_totals(audit.counted)}")
    else:
        yield f"account {account} has {_totals(audit.stored)} stored, and {_totals(audit.counted)} counted."


def _all_figures(audit: CollectionAudit) -> str:
    stored, counted = f"stored:  {_counts(audit.stored.counts)}", f"counted: {_counts(audit.counted.counts)}"
    if audit.counted.sync is None:
        return "\n".join([stored, counted, "no sync whose records still exist"])
    stored += f"; latest sync: {_sync_figures(audit.stored.sync)}"
    counted += f"; latest sync: {_sync_figures(audit.counted.sync)}"
    return "\n".join([stored, counted, NOT_COUNTED])


def _counts(counts: FileCounts) -> str:
    unindexed = [f"{count:,} {name}" for name, count in sorted(counts.unindexed.items())]
    return ", ".join([_totals(Totals(counts.files, counts.bytes)), *unindexed])


def _totals(totals: Totals) -> str:
    return f"{totals.files:,} files of {totals.bytes:,} bytes"


def _sync_figures(sync: SyncFigures | None) -> str:
    if sync is None:
        return "nothing"
    return (
        f"{sync.to_do:,} to do, {sync.finished:,} finished, {sync.outstanding:,} batches and {sync.open_key_ranges} "
        "key ranges open"
    )
