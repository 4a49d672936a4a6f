"""``calibrate``: computes from each account's own pictures what chance gives, which relevance and cuts rest on."""

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

from chalicelib.domain.calibration import Calibration
from chalicelib.services.maintenance.calibration import MIN_PICTURES
from infra.admin.command import ExitStatus, report
from infra.admin.deployment import Deployment
from infra.calibration.statistics import UNRELATED_TEXTS, Vectors, compute_calibration


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "calibrate", help="compute from accounts' pictures what chance gives: run it again when many pictures are new"
    )
    parser.add_argument("--account", metavar="UUID", help="only this one's (default: all)")
    parser.set_defaults(run=calibrate)


def calibrate(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    services = deployment.services
    accounts = [options.account] if options.account else [account.uuid for account in services.accounts.all()]
    model, texts = services.calibration.embed_texts(UNRELATED_TEXTS)
    for account in accounts:
        pictures = services.calibration.calibrate(account, model, texts, _compute)
        outcome = "calibrated" if pictures >= MIN_PICTURES else f"not calibrated, {MIN_PICTURES} are needed"
        report(f"{account}: {pictures:,} pictures of {model}: {outcome}")
    return ExitStatus.OK


def _compute(model: str, pictures: Sequence[bytes], texts: Sequence[bytes]) -> Calibration:
    return compute_calibration(model, _matrix(pictures), _matrix(texts))


def _matrix(vectors: Sequence[bytes]) -> Vectors:
    return np.stack([np.frombuffer(vector, "<f4") for vector in vectors]).astype(np.float64)
