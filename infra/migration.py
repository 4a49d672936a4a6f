"""How a local system changes its model or its vector store, and keeps its accounts, tokens, collections and files.

The folder of a system remembers both. A change is offered, because it embeds every picture anew or fills a store; once
it has begun, ``stack.json`` names the steps that remain, and each start of the system continues with them.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from shutil import rmtree

from infra.admin.command import Report
from infra.admin.sync import sync_all
from infra.deploy import DEFAULT_MODEL
from infra.embedder import describe_model
from infra.local_system import DEFAULT_FOLDER, DEFAULT_STORE, OPENSEARCH_FOLDER, SQLITE_FILE, LocalSystem

# No worker of an earlier run is left here: only those that began before the deployment, a few seconds ago.
WRITER_TIMEOUT_SECONDS = 5.0
OTHER_PORT = 4600  # in the offer of a second system


class Step(StrEnum):
    """``REINDEX`` fills the vector store from the catalogue, ``SYNC`` embeds every picture anew."""

    REINDEX = "reindex"
    SYNC = "sync"


@dataclass(frozen=True, slots=True)
class Setup:
    """The model and the store with which a system starts, and what must be done until all is found with them.

    Args:
        model: its name, or its folder, written with a slash.
        steps: what remains to be done, in this order.
        changed: those of them that this start would begin.
    """

    model: str
    model_version: str
    store: str
    steps: tuple[Step, ...] = ()
    changed: tuple[Step, ...] = ()


def choose_setup(system: LocalSystem | None, model: str | None, store: str | None) -> Setup:
    """The setup that was asked for; what was not asked for stays as the system has it.

    Raises:
        ModelError: there is no such model, or it is incomplete.
    """
    if model is None:
        model = system.model if system else DEFAULT_MODEL
    elif "/" in model or model.startswith("~"):
        model = str(Path(model).expanduser().resolve())
    if store is None:
        store = system.store if system else DEFAULT_STORE
    version = describe_model(model).model_version
    if system is None:
        return Setup(model, version, store)
    differences = ((Step.REINDEX, store != system.store), (Step.SYNC, version != system.model_version))
    changed = tuple(step for step, differs in differences if differs)
    steps = tuple(step for step in Step if step in changed or step in system.migration)
    return Setup(model, version, store, steps, changed)


def offer(system: LocalSystem, setup: Setup, folder: Path) -> str:
    """What would change and how to have it, to have it not, or to have both systems."""
    here = "" if folder == DEFAULT_FOLDER else f" FOLDER={shlex.quote(str(folder))}"
    asked = "".join(
        f" {name}={shlex.quote(value)}"
        for name, value, default in (
            ("MODEL", setup.model, system.model),
            ("STORE", setup.store, system.store),
        )
        if value != default
    )
    beside = Path(f"{DEFAULT_FOLDER}-{setup.model_version.partition('+')[0]}-{setup.store}")
    lines = [
        f"The system in {folder} uses the model {system.model_version} and the store {system.store}. This start would "
        f"use {setup.model_version} and {setup.store}.",
        "",
        f"  change it          make run{asked}{here} MIGRATE=yes",
        f"  leave it as it is  make run{here}",
        f"  have both          make run{asked} FOLDER={beside} PORT={OTHER_PORT}",
        "",
        "A change keeps accounts, tokens, collections and uploads.",
    ]
    if Step.SYNC in setup.changed:
        lines.append("It embeds every picture anew; until that is done, searches find what has been embedded so far.")
    elif Step.REINDEX in setup.changed:
        lines.append("It fills the other store from the catalogue; nothing is embedded anew.")
    return "\n".join(lines)


def discard_store(folder: Path, store: str) -> None:
    """Delete what a vector store has in the folder of a system that does not run: the catalogue can fill it again."""
    if store == DEFAULT_STORE:
        for file in folder.glob(f"{SQLITE_FILE}*"):  # with its write-ahead log
            file.unlink()
    else:
        rmtree(folder / OPENSEARCH_FOLDER, ignore_errors=True)


def continue_migration(system: LocalSystem, folder: Path, report: Report) -> LocalSystem:
    """Do the steps that remain, one after the other; each is struck off ``stack.json`` once it is done.

    Raises:
        SimilarixError: a step failed; the next start repeats it.
    """
    if not system.migration:
        return system
    services = system.deployment.services
    while system.migration:
        step, *rest = system.migration
        if step == Step.REINDEX:
            report(f"Filling the store {system.store} from the catalogue")
            services.rebuild(report, WRITER_TIMEOUT_SECONDS).rebuild(system.model_version)
        else:
            report(f"Embedding every picture with {system.model_version}")
            _report_all(sync_all(services, list(services.every_collection()), report), report)
            services.adapters.vectors.retire_others(system.model_version)
            services.adapters.vectors.drop_old()
        system = replace(system, migration=rest)
        system.write(folder)
    _report_all(services.consistency_check.run(services.every_collection(), system.model_version, report), report)
    report(f"Searches use {system.model_version} and the store {system.store}.")
    return system


def _report_all(findings: Sequence[str], report: Report) -> None:
    for finding in findings:
        report(f"- {finding}")
