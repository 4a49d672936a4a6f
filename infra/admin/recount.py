"""``recount``: whether the collections' statistics add up to what the catalogue holds."""

import argparse
from typing import Any

from infra.admin.deployment import Deployment


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser("recount", help="compare each collection's statistics with its catalogue")
    parser.add_argument("--fix", action="store_true", help="correct those that are off")
    parser.set_defaults(run=recount)


def recount(deployment: Deployment, options: argparse.Namespace) -> None:
    services = deployment.services
    off = []
    recounts = list(services.recounting.recount(services.every_collection()))
    for found in recounts:
        if found.adds_up:
            continue
        if not found.settled:
            off.append(f"{found.collection.uuid} changes while it is counted. Try again when it is quiet.")
        elif options.fix and services.recounting.correct(found):
            print(f"{found.collection.uuid}: {_words(found.stated)} corrected to {_words(found.counted)}")
        else:
            off.append(f"{found.collection.uuid} states {_words(found.stated)}, and has {_words(found.counted)}.")
    print(f"{len(recounts)} collections counted")
    if off:
        raise ValueError("\n".join(f"- {finding}" for finding in off))


def _words(total: tuple[int, int]) -> str:
    return f"{total[0]:,} files of {total[1]:,} bytes"
