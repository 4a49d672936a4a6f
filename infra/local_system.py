"""The whole system on one machine: the emulator, the deployed template, and something to search."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from infra import seed
from infra.admin.deployment import Deployment
from infra.cloudformation import Say
from infra.deploy import LOCAL_MODEL, deploy_locally
from infra.emulator import REGION, Emulator
from infra.notifications import notify
from infra.package import package

DEFAULT_FOLDER = Path(".local")
STACK_FILE = "stack.json"


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


def bring_up(emulator: Emulator, say: Say, model: str = LOCAL_MODEL, opensearch: str | None = None) -> LocalSystem:
    """Deploy, and on the first run make the demo account, the sample bucket and the two collections.

    Args:
        opensearch: the URL of the node that vectors are searched on; without one, the SQLite store does it.
    """
    # The grace here is for workers of seconds, not minutes; and nobody sits before a laptop for an hour of retries.
    parameters = {"ScheduleSpread": "0", "DeletionGrace": "5", "RetryDelay": "1", "EmbedderModel": model}
    parameters |= _vector_store(emulator, opensearch)
    say("Deploying the template")
    outputs = deploy_locally(emulator, package(thin=True), parameters=parameters, say=_only_trouble(say))
    url = outputs["ApiUrl"]
    file = emulator.folder / "stack.json"
    if file.exists():
        old = json.loads(file.read_text())
        stack = LocalSystem(**{**old, "api_url": url, "aws_endpoint": emulator.endpoint, "outputs": outputs})
        api = seed.Api(url, stack.token)
    else:
        session = emulator.session()
        token = seed.open_demo_account(Deployment(session, emulator.endpoint, outputs))
        api, s3 = seed.Api(url, token), session.client("s3", endpoint_url=emulator.endpoint)
        say(f"{seed.fill_bucket(s3, REGION)} photographs in the bucket {seed.BUCKET}")
        collection = seed.connect_bucket(session, emulator.endpoint, api)
        managed = api.call("POST", "/collections/", json={"type": "managed", "name": "My uploads"})
        stack = LocalSystem(
            api_url=url,
            token=token,
            aws_endpoint=emulator.endpoint,
            region=REGION,
            sample_bucket=seed.BUCKET,
            collection=collection,
            managed_collection=managed["collection"]["uuid"],
            outputs=outputs,
        )
        say("Syncing the sample collection")
        say(f"Synced in {seed.sync_and_wait(api, collection, say):.1f} s")
        notify(s3, seed.BUCKET, f"{seed.FOLDER}/", outputs["EventsQueueArn"])
    # Last, so that a first run that was interrupted is begun again, not taken for a whole one.
    file.write_text(json.dumps(asdict(stack), indent=2) + "\n")
    return stack


def _vector_store(emulator: Emulator, opensearch: str | None) -> dict[str, str]:
    if opensearch is not None:
        return {"VectorStore": "endpoint", "OpenSearchEndpoint": opensearch, "OpenSearchSigning": "none"}
    # One disk for all functions: the SQLite store is the right one here.
    return {"VectorStore": "sqlite", "SQLitePath": str(emulator.folder / "vectors.sqlite")}


def _only_trouble(say: Say) -> Say:
    """Here a deployment takes a second: its steps are worth a line only where one fails."""

    def tell(line: str) -> None:
        if "FAILED" in line or "ROLLBACK" in line:
            say(line)

    return tell
