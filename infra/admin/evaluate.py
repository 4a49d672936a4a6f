"""``evaluate``: searches for a sheet of queries, and tells how well what they find fits what was expected."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from infra.admin.command import ExitStatus, report, report_findings, select_collections
from infra.admin.deployment import Deployment
from infra.evaluation.evaluator import DEPTH, Evaluator, JudgedQuery
from infra.evaluation.measures import CutQuality, Outcome, cut_quality
from infra.evaluation.sheet import read_sheet

DEPTHS = (1, 5, 10)
NOT_CALIBRATED = "The model has no statistics, so nothing is cut: run 'calibrate' with at least 50 pictures."


def add(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "evaluate", help="search for a sheet of queries, and tell how well that fits the files that it expects"
    )
    parser.add_argument("queries", type=Path, help="a CSV file, as docs/search.md describes it")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--account", metavar="UUID", help="whose files are searched (default: the only account's)")
    where.add_argument("--collection", metavar="UUID", help="search only this one")
    parser.add_argument(
        "--at",
        type=_depth,
        action="append",
        metavar="K",
        help=f"how many results are looked at; may be repeated (default: {', '.join(map(str, DEPTHS))})",
    )
    parser.add_argument("--each", action="store_true", help="print a line for each query as well")
    parser.set_defaults(run=evaluate)


def evaluate(deployment: Deployment, options: argparse.Namespace) -> ExitStatus:
    rows = read_sheet(options.queries)
    evaluator = _evaluator(deployment, options)
    queries, findings = evaluator.judge(rows)
    if findings:
        return report_findings(findings)
    outcomes = []
    for query in queries:
        outcome = evaluator.search(query)
        outcomes.append(outcome)
        if options.each:
            report(_line(query, outcome))
    for line in summary(outcomes, sorted(set(options.at or DEPTHS))):
        report(line)
    return ExitStatus.OK


def summary(outcomes: Sequence[Outcome], depths: Sequence[int]) -> list[str]:
    """The measures over all queries, a line each."""
    judged = [outcome for outcome in outcomes if outcome.expected]
    absent = len(outcomes) - len(judged)
    lines = [f"{_counted(len(judged), 'query', 'queries')} with expected files, {absent:,} of what is not there"]
    if judged:
        lines += ["", f"{'':<12}" + "".join(f"{f'@{k}':>8}" for k in depths)]
        measures: dict[str, Callable[[Outcome, int], float]] = {
            "precision": Outcome.precision,
            "recall": Outcome.recall,
            "nDCG": Outcome.ndcg,
        }
        for name, measure in measures.items():
            means = [mean(measure(outcome, k) for outcome in judged) for k in depths]
            lines.append(f"{name:<12}" + "".join(f"{value:>8.3f}" for value in means))
        reciprocal = mean(outcome.reciprocal_rank for outcome in judged)
        lines += [f"{'MRR':<12}{reciprocal:>8.3f}   among the first {DEPTH}"]
    cut = cut_quality(outcomes)
    return [*lines, "", *([NOT_CALIBRATED] if cut is None else _cut_lines(cut))]


def _cut_lines(cut: CutQuality) -> list[str]:
    rows = (
        (cut.recall, "%", "of the expected files are listed"),
        (cut.precision, "%", "of what these queries list is expected"),
        (cut.found, "%", "of these queries list an expected file"),
        (cut.absent_empty, "%", "of the queries of what is not there list nothing"),
        (cut.absent_listed, "", "files are listed by these on average"),
    )
    lines = ["With cutoff=auto"]
    for value, unit, meaning in rows:
        if value is not None:
            lines.append(f"  {f'{100 * value:.0f} %' if unit else f'{value:.2f}':>6}  {meaning}")
    return lines


def _line(query: JudgedQuery, outcome: Outcome) -> str:
    """What a query found, for the one who looks for those that find the wrong files."""
    listed = "" if outcome.listed is None else f", {len(outcome.listed)} before the cut"
    if not outcome.expected:
        return f"row {query.row.number}: nothing expected{listed}"
    rank = f"first at {outcome.rank}" if outcome.rank else f"none among {DEPTH}"
    within = len(outcome.expected.intersection(outcome.listed or ()))
    expected = f"{len(outcome.expected)} expected, {rank}"
    return f"row {query.row.number}: {expected}{listed}{f', {within} of them expected' if listed else ''}"


def _evaluator(deployment: Deployment, options: argparse.Namespace) -> Evaluator:
    """Raises NotFound for an account or collection that is not there, ValueError where several accounts are."""
    services, folder = deployment.services, options.queries.parent
    if options.collection:
        (collection,) = select_collections(deployment, options.collection)
        return Evaluator(services, collection.account, collection, folder)
    if options.account:
        return Evaluator(services, services.accounts.get(options.account).uuid, None, folder)
    accounts = [account.uuid for account in services.accounts.all()]
    if len(accounts) != 1:
        raise ValueError(f"There are {len(accounts)} accounts: choose one by --account or --collection.")
    return Evaluator(services, accounts[0], None, folder)


def _depth(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= DEPTH:
        raise argparse.ArgumentTypeError(f"a number of results from 1 to {DEPTH}")
    return int(text)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
