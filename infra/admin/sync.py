"""``sync``: syncs collections, whatever their account, and waits until their syncs have ended."""

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.collections import Collection, SyncState, SyncStatus, Trigger
from chalicelib.domain.errors import SyncAlreadyRunning
from infra.admin.command import ExitStatus, Report, report, report_findings, select_collections
from infra.admin.deployment import Deployment

PAUSE_SECONDS = 1.0


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "sync", help="sync every collection, which embeds anew what another model than the embedder's has embedded"
    )
    parser.add_argument("--collection", metavar="UUID", help="only this one (default: all)")
    parser.set_defaults(run=sync)


def sync(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    collections = select_collections(deployment, options.collection)
    return report_findings(sync_all(deployment.services, collections, report))


def sync_all(
    services: Services, collections: Sequence[Collection], report: Report, sleep: Callable[[float], None] = time.sleep
) -> list[str]:
    """Sync the collections, managed ones too; returns a sentence for each whose sync did not complete."""
    findings = []
    for collection in collections:
        try:
            services.syncs.start(collection, Trigger.MANUAL)
        except SyncAlreadyRunning:
            report(f"{_name(collection)} is being synced already.")
    for collection in collections:
        state = _wait(services, collection, report, sleep)
        if state is not None and state.status is not SyncStatus.COMPLETED:
            findings.append(f"The sync of {_name(collection)} ended as {state.status}: {state.reason}")
    return findings


def _wait(
    services: Services, collection: Collection, report: Report, sleep: Callable[[float], None]
) -> SyncState | None:
    """The state in which a collection's sync ended, progress reported meanwhile; None if the collection was deleted."""
    reported = ""
    while True:
        current = services.adapters.collections.get(collection.account, collection.uuid)
        if current is None:
            return None
        progress = current.sync.progress
        line = f"{_name(collection)}: {progress.finished:,} of {progress.to_do:,} done"
        if line != reported and progress.to_do:
            report(line)
            reported = line
        if current.sync.status_at(services.now()) is not SyncStatus.IN_PROGRESS:
            return current.sync
        sleep(PAUSE_SECONDS)


def _name(collection: Collection) -> str:
    return f"{collection.name!r} ({collection.uuid})"
