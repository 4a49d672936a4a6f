"""``python -m infra.admin`` on the deployed system: accounts, statistics, the vector store, dead letters."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.accounts import NewToken, Scope
from chalicelib.domain.files import FileState
from chalicelib.domain.messages import IndexBatch, ObjectHint, ReceivedMessage
from infra.admin.__main__ import main
from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.folder_lock import FolderLock
from infra.local_system import STACK_FILE, LocalSystem
from tests.conftest import SAMPLES
from tests.contract.earlier_records import earlier_item
from tests.e2e.harness import Caller, eventually, picture
from tests.factories import a_record

Admin = Callable[..., str]


@pytest.fixture
def admin(stack: LocalSystem, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Admin]:
    """Runs a command on this deployment and returns what it printed: an error, or otherwise its output."""
    (tmp_path / STACK_FILE).write_text(json.dumps(asdict(stack)))

    def run(*arguments: str, fails: bool = False, findings: bool = False) -> str:
        capsys.readouterr()
        assert main(["--local", "--folder", str(tmp_path), *arguments]) == int(fails or findings)
        printed = capsys.readouterr()
        assert bool(printed.err) == fails
        return (printed.err if fails else printed.out).strip()

    with FolderLock(tmp_path):  # as a run in this folder has it
        yield run


def test_a_created_account_can_use_the_api_with_its_token(admin: Admin, stack: LocalSystem) -> None:
    account = admin("create-account", "A photographer", "pro")
    token = admin("issue-token", account, "laptop")
    assert Caller(stack.api_url, token)("GET", "/api/collections/").status_code == 200
    assert account in admin("accounts")
    assert "laptop" in admin("tokens", account)
    assert "0 of" in admin("usage", account)


def test_a_plan_without_the_api_is_refused_and_a_change_of_plan_reaches_every_token(
    admin: Admin, stack: LocalSystem
) -> None:
    account = admin("create-account", "A visitor", "free")
    callers = [Caller(stack.api_url, admin("issue-token", account, name)) for name in ("one", "two")]
    for caller in callers:
        answer = caller("GET", "/api/search/", params={"query": "owl"})
        assert answer.status_code == 403
        assert answer.json()["info"]["error"] == "plan_forbids"
        assert "free" in answer.json()["info"]["message"]
    admin("set-plan", account, "pro")
    for caller in callers:
        eventually(lambda c=caller: c("GET", "/api/search/", params={"query": "owl"}).status_code == 200, seconds=10)


def test_a_revoked_token_works_for_five_more_seconds_at_most(admin: Admin, stack: LocalSystem) -> None:
    account = admin("create-account", "A careful customer", "pro")
    caller = Caller(stack.api_url, admin("issue-token", account, "lost"))
    assert caller("GET", "/api/collections/").status_code == 200
    admin("revoke-token", account, admin("tokens", account).split()[0])
    assert admin("tokens", account) == ""
    eventually(lambda: caller("GET", "/api/collections/").status_code == 403, seconds=10)


def test_a_token_with_the_scope_read_can_search_and_cannot_write(admin: Admin, stack: LocalSystem) -> None:
    account = admin("create-account", "A dashboard", "pro")
    reader = Caller(stack.api_url, admin("issue-token", account, "wall", "--scope", "read"))
    assert reader("GET", "/api/search/", params={"query": "owl"}).status_code == 200
    answer = reader("POST", "/api/collections/", json={"type": "managed", "name": "No"})
    assert answer.status_code == 403
    assert answer.json()["info"]["error"] == "read_only_token"


def test_an_account_is_exported_and_deleted_once_its_name_confirms_it(admin: Admin, stack: LocalSystem) -> None:
    account = admin("create-account", "A\x1b[2J photographer", "pro")
    caller = Caller(stack.api_url, admin("issue-token", account, "laptop"))
    caller.create_managed_collection()
    assert caller("GET", "/api/search/", params={"query": "an owl"}).status_code == 200  # which counts for a rate
    records = [json.loads(line) for line in admin("export-account", account).splitlines()]
    assert [record["kind"] for record in records] == ["account", "token", "collection", "rate", "usage"]
    (shown,) = [line for line in admin("accounts").splitlines() if account in line]
    assert shown.endswith("A\\x1b[2J photographer"), "no control character reaches the terminal"
    assert "Confirm" in admin("delete-account", account, "--confirm", "Another", fails=True)
    admin("delete-account", account, "--confirm", "A\x1b[2J photographer")
    assert "no such account" in admin("export-account", account, fails=True)
    eventually(lambda: caller("GET", "/api/account/").status_code == 403, seconds=10)
    eventually(lambda: account not in admin("accounts"))


def test_an_expired_token_is_refused(admin: Admin, stack: LocalSystem, deployment: Deployment) -> None:
    account = admin("create-account", "Yesterday's guest", "pro")
    expired = NewToken("guest", Scope.READ, datetime.now(UTC) - timedelta(days=1))
    secret, _ = deployment.services.accounts.issue_token(account, expired)
    answer = Caller(stack.api_url, secret)("GET", "/api/collections/")
    assert answer.status_code == 403
    assert "expired" in answer.json()["info"]["message"]


def test_an_error_is_one_line_on_standard_error(admin: Admin) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert "no such account" in admin("usage", unknown, fails=True)
    assert "no such account" in admin("issue-token", unknown, "x", fails=True)
    assert "no limit 'cars'" in admin("create-account", "x", "pro", "--allow", "cars=1", fails=True)
    assert "NAME=NUMBER" in admin("create-account", "x", "pro", "--allow", "files", fails=True)


def test_recount_finds_and_fixes_wrong_statistics(admin: Admin, stack: LocalSystem, aws: Callable[..., Any]) -> None:
    admin("recount", "--fix")
    where = {"account": {"S": _account(aws, stack)}, "uuid": {"S": stack.collection}}
    change = {"TableName": stack.outputs["CollectionsTableName"], "Key": where}
    aws("dynamodb").update_item(
        **change, UpdateExpression="ADD total_files :n", ExpressionAttributeValues={":n": {"N": "7"}}
    )
    assert stack.collection in admin("recount", findings=True)
    assert "corrected" in admin("recount", "--fix")
    assert "counted" in admin("recount")


def test_recount_compares_the_figures_of_a_sync_with_its_batches(
    admin: Admin, stack: LocalSystem, aws: Callable[..., Any], sync: Callable[[], Any]
) -> None:
    sync()
    figures = admin("recount", "--collection", stack.collection)
    assert "latest sync: " in figures
    assert "not recounted" in figures
    where = {"account": {"S": _account(aws, stack)}, "uuid": {"S": stack.collection}}
    change = {"TableName": stack.outputs["CollectionsTableName"], "Key": where, "UpdateExpression": "ADD sync_to_do :n"}
    aws("dynamodb").update_item(**change, ExpressionAttributeValues={":n": {"N": "3"}})
    assert "The next sync counts anew" in admin("recount", "--collection", stack.collection, "--fix", findings=True)
    sync()
    assert "1 collections counted" in admin("recount", "--collection", stack.collection)
    assert "no collection" in admin("recount", "--collection", "00000000-0000-4000-8000-000000000000", fails=True)


def test_renew_records_takes_the_image_out_of_a_record_of_an_earlier_version(
    admin: Admin, stack: LocalSystem, aws: Callable[..., Any]
) -> None:
    catalogue, table = stack.deployment.services.adapters.catalogue, stack.outputs["CatalogueTableName"]
    (listed,) = catalogue.page(stack.collection, FileState.INDEXED, after=None, limit=1).records
    record = catalogue.get(stack.collection, listed.key)
    assert record is not None and record.embedding is not None
    catalogue.delete_images(catalogue.images_of([record.uuid]))
    aws("dynamodb").put_item(TableName=table, Item=earlier_item(record))
    assert "1 records of 1 collections renewed" in admin("renew-records", "--collection", stack.collection)
    assert catalogue.get(stack.collection, record.key) == record
    assert "0 records" in admin("renew-records")
    assert "--collection" in admin("renew-records", "--after", "a", fails=True)


def test_clean_thumbnails_keeps_a_thumbnail_that_was_just_stored(
    admin: Admin, stack: LocalSystem, aws: Callable[..., Any]
) -> None:
    bucket, key = stack.outputs["ThumbnailsBucketName"], f"{stack.collection}/{'0' * 36}/{'0' * 16}.jpg"
    aws("s3").put_object(Bucket=bucket, Key=key, Body=b"left behind")
    assert admin("clean-thumbnails", "--collection", stack.collection, "--delete") == "0 orphaned thumbnails deleted"
    aws("s3").delete_object(Bucket=bucket, Key=key)


def test_clean_images_keeps_an_image_that_was_just_stored(admin: Admin, stack: LocalSystem) -> None:
    catalogue = stack.deployment.services.adapters.catalogue
    (collection, *_) = stack.deployment.services.every_collection()
    record = a_record(collection, "left behind", thumbnail="left/behind")
    catalogue.put_images([record])
    assert admin("clean-images", "--delete") == "0 orphaned images deleted"
    assert len(catalogue.images_of([record.uuid])) == 1
    catalogue.delete_images(catalogue.images_of([record.uuid]))
    assert "no position" in admin("clean-images", "--after", "é", fails=True)


def test_reindex_restores_searches_after_the_file_of_the_sqlite_store_was_deleted(
    admin: Admin, api: Caller, emulator: Emulator
) -> None:
    before = api.search_names("an owl")
    assert "owl.jpg" in before
    for path in emulator.folder.glob("vectors.sqlite*"):  # with its write-ahead log
        path.unlink()
    assert api.search_names("an owl") == []
    assert "are missing from the store" in admin("doctor", findings=True)
    admin("reindex", "--writer-timeout", "1")
    assert api.search_names("an owl") == before
    assert "All is well." in admin("doctor")


def test_a_sheet_of_queries_is_evaluated_and_a_wrong_row_is_refused_with_its_number(
    admin: Admin, stack: LocalSystem, tmp_path: Path
) -> None:
    printed = admin("evaluate", str(SAMPLES / "queries.csv"), "--collection", stack.collection, "--each")
    assert "row 2: 1 expected, first at 1, " in printed
    assert "11 queries with expected files, 10 of what is not there" in printed
    assert float(printed.partition("MRR")[2].split()[0]) > 0.7
    assert "of the queries of what is not there list nothing" in printed
    sheet = tmp_path / "queries.csv"
    sheet.write_text("query,expected\nan owl,owl.jpg\nan owl,no.jpg\n")
    findings = admin("evaluate", str(sheet), "--collection", stack.collection, findings=True)
    assert findings == "- Row 3: 'expected' has 'no.jpg', and no indexed file has this path."
    assert "cannot be read" in admin("evaluate", str(tmp_path / "none.csv"), fails=True)


def test_redrive_shows_a_dead_letter_with_its_reason_and_sends_it_back(
    admin: Admin, stack: LocalSystem, deployment: Deployment, aws: Callable[..., Any]
) -> None:
    sqs, dead = aws("sqs"), stack.outputs["IndexDeadLettersUrl"]
    batch = IndexBatch(_account(aws, stack), stack.collection, (ObjectHint("photos/owl.jpg"),))
    letter = sqs.send_message(QueueUrl=dead, MessageBody=batch.to_json())["MessageId"]
    failures = deployment.services.adapters.failure_log
    failures.record(ReceivedMessage(letter, "index", "handle", 8), "StoreUnavailable: away", datetime.now(UTC))
    for _ in range(2):  # a dry run leaves it there
        assert f"index {letter}: StoreUnavailable: away" in admin("redrive", "--queue", "index", "--dry-run")
    assert "1 dead letters sent back" in admin("redrive")
    assert admin("redrive", "--queue", "index") == "0 dead letters sent back"
    eventually(lambda: _waiting(sqs, stack.outputs["IndexQueueUrl"]) == 0)


def _waiting(sqs: Any, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(counts[name]) for name in names)


def _account(aws: Callable[..., Any], stack: LocalSystem) -> str:
    items = aws("dynamodb").scan(TableName=stack.outputs["CollectionsTableName"])["Items"]
    return next(item["account"]["S"] for item in items if item["uuid"]["S"] == stack.collection)


class TestAMessageThatKeepsFailing:
    """A record of the catalogue is damaged, so that each worker that indexes its object fails."""

    @pytest.fixture
    def photographer(self, new_account: Callable[..., Caller]) -> Caller:
        return new_account()

    @pytest.fixture
    def file(self, photographer: Caller, stack: LocalSystem, aws: Callable[..., Any]) -> dict[str, Any]:
        """A file whose upload no worker is busy with any more."""
        collection = photographer.result("POST", "/api/collections/", json={"type": "managed", "name": "Mine"})
        path = f"/api/collections/{collection['collection']['uuid']}"
        photographer.result("POST", f"{path}/upload/", files={"file": ("changing.jpg", picture("pig.jpg"))})
        (file,) = photographer.result("GET", f"{path}/files/")["files"]
        queues = [stack.outputs[f"{name}QueueUrl"] for name in ("Events", "Changes")]
        eventually(lambda: not any(_waiting(aws("sqs"), queue) for queue in queues))
        return {**file, "collection": collection["collection"]["uuid"]}

    @pytest.fixture
    def changes_queue(self, stack: LocalSystem, aws: Callable[..., Any]) -> Iterator[str]:
        """Moves a message to the dead letters after two deliveries, not after eight."""
        sqs, url = aws("sqs"), stack.outputs["ChangesQueueUrl"]
        asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
        before = asked["Attributes"]["RedrivePolicy"]
        fewer = json.dumps(json.loads(before) | {"maxReceiveCount": 2})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": fewer})
        yield url
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": before})

    def test_a_failing_message_becomes_a_dead_letter_and_succeeds_when_redriven_after_the_repair(
        self,
        admin: Admin,
        stack: LocalSystem,
        aws: Callable[..., Any],
        photographer: Caller,
        file: dict[str, Any],
        changes_queue: str,
    ) -> None:
        table, dynamodb = stack.outputs["CatalogueTableName"], aws("dynamodb")
        where = {"collection": {"S": file["collection"]}, "key": {"S": _key(dynamodb, table, file["collection"])}}
        etag = dynamodb.get_item(TableName=table, Key=where)["Item"]["etag"]
        dynamodb.update_item(TableName=table, Key=where, UpdateExpression="REMOVE etag")
        # S3 sends an event for the object, which is the message that cannot be handled.
        aws("s3").put_object(Bucket=stack.outputs["ManagedBucketName"], Key=where["key"]["S"], Body=picture("owl.jpg"))
        eventually(lambda: _waiting(aws("sqs"), stack.outputs["ChangesDeadLettersUrl"]) == 1)
        shown = admin("redrive", "--queue", "changes", "--dry-run")
        assert "KeyError: 'etag'" in shown
        assert file["collection"] in shown
        repair = {"UpdateExpression": "SET etag = :etag", "ExpressionAttributeValues": {":etag": etag}}
        dynamodb.update_item(TableName=table, Key=where, **repair)
        redriven = admin("redrive", "--queue", "changes")
        assert "KeyError: 'etag'" in redriven
        assert "1 dead letters sent back" in redriven
        size = len(picture("owl.jpg"))
        eventually(lambda: photographer.result("GET", f"/api/files/{file['uuid']}/")["file"]["file_size"] == size)
        assert _waiting(aws("sqs"), stack.outputs["ChangesDeadLettersUrl"]) == 0
        assert photographer.search_names("an owl") == ["changing.jpg"]


def _key(dynamodb: Any, table: str, collection: str) -> str:
    """The key of a collection's only record."""
    names, values = {"#c": "collection"}, {":c": {"S": collection}}
    (item,) = dynamodb.query(
        TableName=table,
        KeyConditionExpression="#c = :c",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )["Items"]
    return str(item["key"]["S"])
