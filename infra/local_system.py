"""The whole system on one machine: the deployed template on the emulator, and something to search.

Each system has a folder, whose ``stack.json`` says how to reach the system, and which model and vector store it uses.
"""

import json
import shlex
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import requests

from chalicelib.adapters.sqlite.schema import remove_log
from infra import seed
from infra.admin.deployment import Deployment
from infra.cloudformation import Report
from infra.demo_user import add_demo_user
from infra.deploy import DEFAULT_MODEL, deploy_locally
from infra.embedder import describe_model
from infra.emulator import REGION, Emulator
from infra.folder_lock import Recovery
from infra.localhost import direct_session
from infra.notifications import notify
from infra.package import Package, package
from infra.private_files import write_private
from infra.recovery import recover
from infra.root_key import RootKey

DEFAULT_FOLDER = Path(".local")
STACK_FILE = "stack.json"
DEFAULT_STORE = "sqlite"
OPENSEARCH_FOLDER = "opensearch"
SQLITE_FILE = "vectors.sqlite"
FIRST_MODEL_VERSION = "lite-1+d2"  # of systems whose stack.json does not name their model
RESPONSE_SECONDS = 30  # the first request to a system starts a function
# Workers here take seconds, not minutes, and a laptop's user does not wait for an hour of retries.
SHORT_WAITS = {"ScheduleSpread": "0", "DeletionGrace": "5", "RetryDelay": "1"}
EVERYBODY_SIGNS_UP = {"SignUp": "open"}
NO_PACE = {"CollectionWriteUnits": "0"}  # the emulator throttles nothing
NO_SNAPSHOTS = {"ApiSnapStart": "false"}  # it restores nothing: each process would load all that a snapshot has


class LocalSystemNotFound(Exception):
    """No local system can be chosen; the message says how to start or name one. ``make demo`` prints it."""


@dataclass(frozen=True, slots=True)
class LocalSystem:
    """What a caller needs to know of the running system; ``stack.json`` has the same fields."""

    api_url: str
    token: str
    aws_endpoint: str
    region: str
    sample_bucket: str
    collection: str
    managed_collection: str
    outputs: dict[str, str]
    aws_access_key_id: str = ""  # earlier versions did not write these two
    aws_secret_access_key: str = field(default="", repr=False)
    model: str = DEFAULT_MODEL
    model_version: str = FIRST_MODEL_VERSION
    store: str = DEFAULT_STORE
    migration: list[str] = field(default_factory=list)
    dashboard_url: str = ""  # and these three, until the system is started again
    demo_user: str = ""
    demo_password: str = field(default="", repr=False)

    @classmethod
    def read(cls, folder: Path) -> "LocalSystem | None":
        """The system of a folder; None where none has been set up to the end."""
        file = folder / STACK_FILE
        if not file.exists():
            return None
        store = "opensearch" if (folder / OPENSEARCH_FOLDER).exists() else DEFAULT_STORE
        return cls(**{"store": store, **json.loads(file.read_text())})

    def write(self, folder: Path) -> None:
        write_private(folder / STACK_FILE, json.dumps(asdict(self), indent=2) + "\n")

    @property
    def deployment(self) -> Deployment:
        """What administration works on."""
        root = RootKey(self.aws_access_key_id, self.aws_secret_access_key)
        return Deployment(root.session(self.region), self.aws_endpoint, self.outputs)


def bring_up(
    emulator: Emulator,
    report: Report,
    model: str = DEFAULT_MODEL,
    opensearch: str | None = None,
    migration: Sequence[str] = (),
    packaged: Package | None = None,
) -> LocalSystem:
    """Deploy, and on the first run create the demo account, the sample bucket and the two collections.

    Args:
        model: its name, or its folder, written with a slash.
        opensearch: the URL of the node that vectors are searched on; None for the SQLite store.
        migration: the steps that remain until everything is searched by this model in this store.
        packaged: the application as a thin package, if the caller has made it already.
    """
    fixed = SHORT_WAITS | NO_PACE | NO_SNAPSHOTS | EVERYBODY_SIGNS_UP
    parameters = fixed | {"EmbedderModel": model} | _vector_store(emulator, opensearch)
    report("Deploying the template")
    outputs = deploy_locally(
        emulator, packaged or package(thin=True), parameters=parameters, report=_failures_only(report)
    )
    system = LocalSystem.read(emulator.folder)
    if system is not None:
        system = replace(system, api_url=outputs["ApiUrl"], aws_endpoint=emulator.endpoint, outputs=outputs)
    else:
        system = _seed(emulator, outputs, report)
    if not system.demo_user:
        user = add_demo_user(Deployment(emulator.session(), emulator.endpoint, outputs), system.token)
        system = replace(system, demo_user=user.email, demo_password=user.password)
    system = replace(
        system,
        dashboard_url=f"{outputs['ApiUrl']}/",
        aws_access_key_id=emulator.root_key.access_key_id,
        aws_secret_access_key=emulator.root_key.secret_access_key,
        model=model,
        model_version=describe_model(model).model_version,
        store=DEFAULT_STORE if opensearch is None else "opensearch",
        migration=list(migration),
    )
    # Last, so that an interrupted first run is started over and not taken for a complete one.
    system.write(emulator.folder)
    if emulator.recovery is not Recovery.NOTHING:
        recover(
            Deployment(emulator.session(), emulator.endpoint, outputs), emulator.recovery, emulator.last_written, report
        )
        emulator.end_recovery()
    return system


def tidy(folder: Path) -> None:
    """Leave the files of a system that has stopped no larger than their content."""
    with suppress(sqlite3.Error):  # a damaged file is the next run's to report
        remove_log(folder / SQLITE_FILE)


def export_line(system: LocalSystem) -> str:
    """The shell command that sets the variables which the documents use, the token among them."""
    variables = {
        "URL": system.api_url,
        "TOKEN": system.token,
        "COLLECTION": system.collection,
        "MANAGED": system.managed_collection,
    }
    return "export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())


def responds(system: LocalSystem) -> bool:
    """Whether the system runs: two systems may have one URL, but each accepts its own token alone."""
    headers = {"Authorization": f"Token {system.token}"}
    try:
        return direct_session().get(f"{system.api_url}/api/account/", headers=headers, timeout=RESPONSE_SECONDS).ok
    except requests.RequestException:
        return False


def find_running(
    folder: Path | None = None, *, parent: Path = Path(), is_running: Callable[[LocalSystem], bool] = responds
) -> LocalSystem:
    """The running system of a folder, or the only running one of those below ``parent``.

    Raises:
        LocalSystemNotFound: none has been set up, none runs, or several run.
    """
    folders = (
        [folder.expanduser()]
        if folder
        else sorted(file.parent for file in parent.glob(f"{DEFAULT_FOLDER}*/{STACK_FILE}"))
    )
    systems = {folder: system for folder in folders if (system := LocalSystem.read(folder)) is not None}
    if not systems:
        raise LocalSystemNotFound(f"No local system has been set up in {folder or 'this folder'}. Start one: make run")
    running = {folder: system for folder, system in systems.items() if is_running(system)}
    if not running:
        names = " or ".join(map(str, systems))
        raise LocalSystemNotFound(f"The local system in {names} is not running. Start it in another shell: make run")
    if len(running) > 1:
        choices = " or ".join(f"FOLDER={folder}" for folder in running)
        raise LocalSystemNotFound(f"Several local systems are running. Choose one with make: {choices}")
    (system,) = running.values()
    return system


def _seed(emulator: Emulator, outputs: dict[str, str], report: Report) -> LocalSystem:
    session = emulator.session()
    token = seed.open_demo_account(Deployment(session, emulator.endpoint, outputs))
    api, s3 = seed.Api(outputs["ApiUrl"], token), session.client("s3", endpoint_url=emulator.endpoint)
    report(f"{seed.fill_bucket(s3, REGION)} photographs in the bucket {seed.BUCKET}")
    collection = seed.connect_samples(session, emulator.endpoint, api)
    managed = api.call("POST", "/collections/", json={"type": "managed", "name": "My uploads"})
    report("Syncing the sample collection")
    report(f"Synced in {seed.sync_and_wait(api, collection, report):.1f} s")
    notify(s3, seed.BUCKET, f"{seed.FOLDER}/", outputs["EventsQueueArn"])
    return LocalSystem(
        api_url=outputs["ApiUrl"],
        token=token,
        aws_endpoint=emulator.endpoint,
        region=REGION,
        sample_bucket=seed.BUCKET,
        collection=collection,
        managed_collection=managed["collection"]["uuid"],
        outputs=outputs,
    )


def _vector_store(emulator: Emulator, opensearch: str | None) -> dict[str, str]:
    if opensearch is not None:
        return {"VectorStore": "endpoint", "OpenSearchEndpoint": opensearch, "OpenSearchSigning": "none"}
    # The functions share one disk here, as the SQLite store requires.
    return {"VectorStore": "sqlite", "SQLitePath": str(emulator.folder / SQLITE_FILE)}


def _failures_only(report: Report) -> Report:
    """A local deployment takes a second: its steps are worth a line only where one fails."""

    def report_failure(line: str) -> None:
        if "FAILED" in line or "ROLLBACK" in line:
            report(line)

    return report_failure
