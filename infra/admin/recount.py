"""``recount``: whether accounts' and collections' statistics, and the figures of latest syncs, add up."""

import argparse
from collections.abc import Iterator
from typing import Any

from chalicelib.domain.collections import Collection
from chalicelib.services.maintenance.statistics_audit import CollectionAudit, Statistics
from infra.admin.deployment import Deployment

NOT_RECOUNTED = (
    "not recounted: how many objects the sync has listed, how many of its removals were of indexed pictures, and how "
    "the finished ones split into done, failed, removed and skipped"
)


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "recount", help="compare each collection's statistics with its catalogue, and its latest sync with its batches"
    )
    parser.add_argument("--collection", metavar="UUID", help="only this one, and say what was counted")
    parser.add_argument("--fix", action="store_true", help="correct the statistics that are off")
    parser.set_defaults(run=recount)


def recount(deployment: Deployment, options: argparse.Namespace) -> None:
    services, wanted = deployment.services, options.collection
    collections = chosen(deployment, wanted)
    off: list[str] = []
    for found in services.statistics_audit.recount(collections):
        if wanted:
            print(_in_full(found))
        if options.fix and found.settled and _total(found.stated) != _total(found.counted):
            if services.statistics_audit.correct(found):
                print(f"{found.collection.uuid}: {_total(found.stated)} corrected to {_total(found.counted)}")
            else:
                off.append(f"{found.collection.uuid} has moved since it was counted. Try again.")
            off += _sync_off(found)
        else:
            off += _off(found)
    if not wanted:
        off += _accounts_off(deployment, fix=options.fix)
    print(f"{len(collections)} collections counted")
    if off:
        raise ValueError("\n".join(f"- {finding}" for finding in off))


def chosen(deployment: Deployment, wanted: str | None) -> list[Collection]:
    """All collections, or the one of this identifier; raises ValueError where there is none."""
    collections = [c for c in deployment.services.every_collection() if wanted in (None, c.uuid)]
    if wanted and not collections:
        raise ValueError(f"There is no collection {wanted}.")
    return collections


def _off(found: CollectionAudit) -> Iterator[str]:
    if not found.settled:
        yield f"{found.collection.uuid} changes while it is counted. Try again when it is quiet."
        return
    if _total(found.stated) != _total(found.counted):
        yield f"{found.collection.uuid} states {_total(found.stated)}, and has {_total(found.counted)}."
    yield from _sync_off(found)


def _accounts_off(deployment: Deployment, *, fix: bool) -> Iterator[str]:
    """After their collections, which they add up."""
    services = deployment.services
    for account in services.accounts.all():
        found = services.account_totals.of(account.uuid)
        stated, counted = (_total(Statistics(*figures)) for figures in (found.stated, found.counted))
        if found.matches:
            continue
        if fix and services.account_totals.correct(found):
            print(f"account {account.uuid}: {stated} corrected to {counted}")
        else:
            yield f"account {account.uuid} states {stated}, and has {counted}."


def _sync_off(found: CollectionAudit) -> Iterator[str]:
    if found.stated.sync != found.counted.sync:
        yield (
            f"{found.collection.uuid}: its latest sync states {_progress(found.stated)}; its records come to "
            f"{_progress(found.counted)}. The next sync counts anew."
        )


def _in_full(found: CollectionAudit) -> str:
    lines = [f"stated:  {_total(found.stated)}", f"counted: {_total(found.counted)}"]
    if found.counted.sync is None:
        return "\n".join([*lines, "no sync whose records are still there"])
    lines[0] += f"; latest sync: {_progress(found.stated)}"
    lines[1] += f"; latest sync: {_progress(found.counted)}"
    return "\n".join([*lines, NOT_RECOUNTED])


def _total(figures: Statistics) -> str:
    return f"{figures.files:,} files of {figures.size:,} bytes"


def _progress(figures: Statistics) -> str:
    sync = figures.sync
    if sync is None:
        return "nothing"
    return f"{sync.to_do:,} to do, {sync.finished:,} finished, {sync.outstanding:,} batches and {sync.open_key_ranges} parts open"
