"""After a run that did not stop by itself: says what may be lost, and has the services find what is left undone.

All of it is idempotent, and may be interrupted itself. The services cope with killed workers anyway, as on AWS; here
S3's events may be lost too, and after the machine's end also what the disk had not written.
"""

from contextlib import suppress
from datetime import datetime

from chalicelib.domain.collections import Collection, CollectionType, Trigger
from chalicelib.domain.errors import Conflict, Unavailable
from infra.admin.deployment import Deployment
from infra.cloudformation import Report
from infra.folder_lock import Recovery


def recover(deployment: Deployment, recovery: Recovery, last_written: datetime | None, report: Report) -> None:
    """Report the loss in one sentence, then have every bucket compared with its catalogue.

    A worker that was killed between its two writes has left a message, whose next delivery repairs them. After the
    machine's end a message may be lost, so the vector store is filled anew.
    """
    report(loss_message(recovery, last_written))
    services = deployment.services
    if recovery is Recovery.MACHINE:
        report("Comparing the vector store with the catalogue")
        # No worker of the last run is alive, so the rebuild need not wait for any.
        services.rebuild(lambda _: None, writer_timeout_seconds=0).rebuild(services.model_version())
    for collection in services.every_collection():
        with suppress(Unavailable):  # its bucket cannot be read now; the next sync compares it
            if collection.type is CollectionType.MANAGED:
                services.reconciliation.send_hints(collection)
            else:
                _sync(deployment, collection, recovery)


def loss_message(recovery: Recovery, last_written: datetime | None) -> str:
    when = f" at {last_written:%H:%M:%S} on {last_written:%d %B}" if last_written else ""
    if recovery is Recovery.MACHINE:
        return (
            f"The machine stopped during the last run{when}: changes that were answered within two seconds before may "
            "be missing."
        )
    return f"The last run was killed{when}: no change that was answered is missing."


def _sync(deployment: Deployment, collection: Collection, recovery: Recovery) -> None:
    syncs = deployment.services.syncs
    if recovery is Recovery.MACHINE:
        # The messages of a running sync may be lost, and it would wait for them.
        with suppress(Conflict):
            syncs.cancel(collection)
    with suppress(Conflict):  # one runs, and goes on
        syncs.start(collection, Trigger.AUTO)
