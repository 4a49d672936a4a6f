"""After a run that did not stop by itself: says what may be lost, and has the services find what is left undone.

All of it is idempotent, and may be interrupted itself. The services cope with killed workers anyway, as on AWS; here
S3's events may be lost too, and after the machine's end also what the disk had not written.
"""

from contextlib import suppress
from datetime import datetime

from chalicelib.bootstrap import Services
from chalicelib.domain.collections import Collection, CollectionType, Trigger
from chalicelib.domain.errors import Conflict, Unavailable
from infra.admin.deployment import Deployment
from infra.cloudformation import Report
from infra.folder_lock import Recovery

# No worker of the last run is alive. One of this run takes less between its two writes.
WRITER_TIMEOUT_SECONDS = 3.0
REBUILD_ATTEMPTS = 3
DOCTOR_COMMAND = "make doctor"


def recover(deployment: Deployment, recovery: Recovery, last_written: datetime | None, report: Report) -> None:
    """Report the loss in one sentence, then have every bucket compared with its catalogue.

    A worker that was killed between its two writes has left a message, whose next delivery repairs them. After the
    machine's end a message may be lost, so the vector store is filled anew.
    """
    report(loss_message(recovery, last_written))
    services = deployment.services
    if recovery is Recovery.MACHINE:
        report("Filling the vector store from the catalogue")
        _rebuild(services, report)
    for collection in services.every_collection():
        with suppress(Unavailable):  # its bucket cannot be read now; the next sync compares it
            if collection.type is CollectionType.MANAGED:
                services.reconciliation.send_hints(collection)
            else:
                _sync(deployment, collection)


def _rebuild(services: Services, report: Report) -> None:
    """Changes that workers finish meanwhile may make a rebuild's comparison fail: it is then done again."""
    for attempt in range(1, REBUILD_ATTEMPTS + 1):
        try:
            services.rebuild(lambda _: None, WRITER_TIMEOUT_SECONDS).rebuild(services.model_version())
        except (Conflict, Unavailable) as error:
            if attempt == REBUILD_ATTEMPTS:
                report(f"{error} Then check it: {DOCTOR_COMMAND}")
        else:
            return


def loss_message(recovery: Recovery, last_written: datetime | None) -> str:
    when = f" at {last_written:%H:%M:%S} on {last_written:%d %B}" if last_written else ""
    if recovery is Recovery.MACHINE:
        return (
            f"The machine stopped during the last run{when}: changes that were answered within two seconds before may "
            "be missing."
        )
    return f"The last run was killed{when}: no change that was answered is missing."


def _sync(deployment: Deployment, collection: Collection) -> None:
    """Begin a sync anew, or begin one: a running one may have listed the bucket before an event that was lost."""
    syncs, confirmed, retry = deployment.services.syncs, False, False
    with suppress(Conflict):
        syncs.cancel(collection)
        confirmed, retry = collection.sync.confirmed, collection.sync.retry
    with suppress(Conflict):  # a caller has started one meanwhile
        syncs.start(collection, Trigger.AUTO, confirm_removals=confirmed, retry_failed=retry)
