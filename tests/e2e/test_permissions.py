"""What roles may do and what functions do are the same: no right is missing, and none is there for nothing."""

import re
from pathlib import Path

import pytest

from infra.emulator_grants import Grant, Use
from tests.deployed_systems import DeployedSystem
from tests.e2e.harness import eventually
from tests.processes import unfinished_groups

OTHERS_SECONDS = 900  # that the tests of other processes may still take
pytestmark = pytest.mark.timeout(OTHERS_SECONDS + 60)

Row = tuple[str, str, str]  # of the role, the action and the resource, patterns that match in full

MISSING_OBJECTS = (
    "whoever may list is told that an object is missing, others that it is forbidden; the emulator tells all: "
    "https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"
)
RECEIVED_BY_LAMBDA = "Lambda receives for the function with its role; the emulator does so itself"
# Rights that no call here needs, and why they are there.
UNUSED_HERE: dict[Row, str] = {
    (r".*", r"logs:.*", r".*"): "Lambda writes the log with the function's role; the emulator does so itself",
    # The changes worker deletes messages itself.
    (r".*Worker", r"sqs:(ReceiveMessage|GetQueueAttributes)", r".*"): RECEIVED_BY_LAMBDA,
    (r"(?!Changes).*Worker", r"sqs:DeleteMessage\*", r".*"): RECEIVED_BY_LAMBDA,
    (r"(Daily|Weekly|Monthly)Sync|Purge|Calibration", r"sqs:SendMessage", r".*:similarix-schedules-dlq"): (
        "Lambda sends what failed in each attempt"
    ),
    (r"(IndexWorker|ChangesWorker|UploadsWorker)", r"s3:ListBucket", r".*"): MISSING_OBJECTS,
    (r"APIHandler", r"s3:ListBucket", r".*ThumbnailsBucket.*"): MISSING_OBJECTS,
    (r".*", r"dynamodb:Scan", r".*CollectionsTable.*"): "asked where OpenSearch has no index; the store here is SQLite",
    (
        r"(Sync|Purges|Duplicates|Changes)Worker",
        r"sqs:SendMessage\*",
        r".*:similarix-(sync|purges|duplicates|changes)",
    ): ("sent to continue when a worker's time runs out: tests/stress/continuations"),
    (r"(Daily|Weekly|Monthly)Sync", r"dynamodb:GetItem", r".*CollectionsTable.*"): (
        "read to say why a sync cannot start, if one is running as its schedule fires"
    ),
}

# Rights that a run needs or not, as its messages happen to be delivered.
NOT_IN_EVERY_RUN: dict[Row, str] = {
    (r"ChangesWorker", r"sqs:DeleteMessage\*", r".*"): (
        "deletes where one delivery has messages of several collections: tests/unit/services/test_change_worker.py"
    ),
}

# Rights of several roles for the same code, of which some need it only in a race or after a failure: one use is enough.
SAME_CODE: dict[Row, str] = {
    (r"(APIHandler|SyncWorker)", r"s3:ListBucket", r".*ManagedBucket.*"): "a preview lists as a sync does",
    (r"(Index|Changes)Worker", r".*", r".*"): "both apply batches, of syncs or of events",
    (r"(Daily|Weekly|Monthly)Sync", r".*", r".*"): "they start what is due",
    (
        r"(APIHandler|IndexWorker|ChangesWorker|UploadsWorker)",
        r"dynamodb:(Query|BatchGetItem)",
        r".*(content|Syncs.*)",
    ): ("whoever applies a batch looks for embeddings of the same bytes"),
    (
        r"(APIHandler|IndexWorker|ChangesWorker|UploadsWorker)",
        r"dynamodb:(Query|BatchWriteItem)",
        r".*CatalogueTable[^/]*",
    ): "whoever applies a batch stores images, and deletes those of a deleted collection",
    (r"(APIHandler|IndexWorker|ChangesWorker|UploadsWorker)", r"s3:(Get|Delete)Object", r".*ThumbnailsBucket.*"): (
        "whoever applies a batch may copy and delete thumbnails"
    ),
    (
        r"(APIHandler|.*Worker)",
        r"sts:AssumeRole",
        r".*",
    ): "whoever reads customers' buckets, by roles with a path or not",
    (r"(APIHandler|.*Worker)", r"sqs:SendMessage\*", r".*:similarix-webhooks"): (
        "whoever applies a batch, or ends a sync, tells of it"
    ),
    (r".*Worker", r"sqs:ChangeMessageVisibility", r".*"): "what a worker does when a message fails",
    (r".*Worker", r"dynamodb:PutItem", r".*SyncsTable.*"): "what a worker does when a message fails",
}


@pytest.fixture(scope="module")
def systems(request: pytest.FixtureRequest, run_folder: Path) -> list[DeployedSystem]:
    """Every system that this run has deployed, once the tests on it have ended."""
    items = request.session.items
    eventually(lambda: not unfinished_groups(items, run_folder), seconds=OTHERS_SECONDS)
    return DeployedSystem.all(run_folder)


@pytest.fixture(scope="module")
def granted(systems: list[DeployedSystem]) -> set[Grant]:
    """What the deployed roles may do, each by its function's name."""
    first, *others = (system.granted() for system in systems)
    assert all(other == first for other in others)
    return first


@pytest.fixture(scope="module")
def use(systems: list[DeployedSystem]) -> Use:
    used = [system.use() for system in systems]
    return Use(frozenset().union(*(each.grants for each in used)), frozenset().union(*(each.refusals for each in used)))


@pytest.mark.after_all
def test_no_call_of_a_function_lacked_a_right(use: Use) -> None:
    # A caller may name a role of another partition, which nobody could let this one assume.
    foreign = (r".*", r"sts:AssumeRole", r"arn:(?!aws:).*")

    assert [refusal for refusal in sorted(use.refusals) if not _covers(foreign, refusal)] == []


@pytest.mark.after_all
def test_every_right_of_every_role_was_used(granted: set[Grant], use: Use) -> None:
    unused = {grant for grant in granted - use.grants if not _is_explained(grant, use.grants)}

    assert sorted(unused) == [], "remove them from infra/template/permissions.yaml, or test what needs them"


@pytest.mark.after_all
def test_a_right_that_is_listed_as_unused_exists_and_is_not_used(granted: set[Grant], use: Use) -> None:
    listed = {row: {grant for grant in granted if _covers(row, grant)} for row in UNUSED_HERE}

    assert [row for row, grants in listed.items() if not grants or grants & use.grants] == []


def _is_explained(grant: Grant, used: frozenset[Grant]) -> bool:
    if any(_covers(row, grant) for row in (*UNUSED_HERE, *NOT_IN_EVERY_RUN)):
        return True
    alike = [row for row in SAME_CODE if _covers(row, grant)]
    return any(_covers(row, other) and _is_alike(grant, other) for row in alike for other in used)


def _is_alike(grant: Grant, other: Grant) -> bool:
    # A worker has a queue of its own, and a customer's role has a path or none.
    is_own = grant.action in ("sqs:ChangeMessageVisibility", "sts:AssumeRole")
    return grant.action == other.action and (is_own or grant.resource == other.resource)


def _covers(row: Row, grant: Grant) -> bool:
    values = (grant.role, grant.action, grant.resource)
    return all(re.fullmatch(pattern, value) for pattern, value in zip(row, values, strict=True))
