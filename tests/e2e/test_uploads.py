"""Managed storage over HTTP: pictures sent along or by presigned POST, each counted once, none oversold."""

import io
import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from infra.local_system import LocalSystem
from tests.e2e.conftest import Caller, eventually, picture
from tests.e2e.test_bad_input import MISSING, refusal

Newcomer = Callable[..., Caller]
MIB = 2**20


class Managed:
    """A managed collection of an account's own."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.uuid = caller.result("POST", "/api/collections/", json={"type": "managed", "name": "n"})["collection"][
            "uuid"
        ]
        self.path = f"/api/collections/{self.uuid}"

    def send(self, name: str, body: bytes, **headers: str) -> requests.Response:
        return self.caller("POST", f"{self.path}/upload/", files={"file": (name, body)}, headers=headers)

    def prepare(self, name: str, size: int, kind: str = "image/jpeg", **headers: str) -> requests.Response:
        wish = {"file": name, "size": size, "mime_type": kind}
        return self.caller("POST", f"{self.path}/upload/", json=wish, headers=headers)

    def complete(self, upload: str) -> requests.Response:
        return self.caller("POST", f"{self.path}/upload/{upload}/complete/")

    def files(self, state: str | None = None) -> dict[str, dict[str, Any]]:
        listed = self.caller.result("GET", f"{self.path}/files/", params={"state": state, "limit": 100})["files"]
        return {file["file_name"]: file for file in listed}

    def used(self, allowance: str) -> int:
        shown = self.caller.result("GET", "/api/account/")["account"]["allowances"]
        used: int = shown[allowance]["used"]
        return used

    def found(self, body: bytes) -> list[str]:
        """Names of the pictures that are just this one."""
        files = self.caller.result("POST", "/api/search/", files={"file": body})["files"]
        return [file["file_name"] for file in files if file["distance"] == 0.0]


@pytest.fixture
def managed(newcomer: Newcomer) -> Managed:
    return Managed(newcomer())


def post(prepared: requests.Response, body: bytes, **changes: str) -> requests.Response:
    """Send the bytes of a prepared upload as its answer says."""
    upload = prepared.json()["result"]["upload"]
    fields = {**upload["fields"], **changes}
    return requests.post(upload["url"], data=fields, files={"file": ("whatever", body)}, timeout=60)


def large_picture(size: int) -> bytes:
    """A JPEG of just so many bytes: noise, which does not compress, and what follows a picture's end."""
    noise = np.random.default_rng(size).integers(0, 256, (2048, 2048, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=97)
    assert out.tell() <= size, out.tell()
    return out.getvalue() + b"\0" * (size - out.tell())


class TestSentAlong:
    def test_a_name_that_exists_becomes_a_new_version_of_that_file(self, managed: Managed) -> None:
        assert managed.send("a.jpg", picture("owl.jpg")).status_code == 201
        before = managed.files()["a.jpg"]
        assert managed.send("a.jpg", picture("pig.jpg")).status_code == 201
        after = managed.files()["a.jpg"]
        assert (after["uuid"], after["file_size"]) == (before["uuid"], len(picture("pig.jpg")))
        assert managed.found(picture("pig.jpg")) == ["a.jpg"]
        assert managed.found(picture("owl.jpg")) == []
        assert managed.used("managed_bytes") == len(picture("pig.jpg"))
        assert (managed.used("files"), managed.used("uploads_a_month")) == (1, 2)

    def test_a_name_that_exists_is_a_conflict_when_the_caller_says_so(self, managed: Managed) -> None:
        assert managed.send("a.jpg", picture("owl.jpg"), **{"If-None-Match": "*"}).status_code == 201
        again = managed.send("a.jpg", picture("pig.jpg"), **{"If-None-Match": "*"})
        assert refusal(again, 409, field="file")["error"] == "file_exists"
        assert managed.found(picture("owl.jpg")) == ["a.jpg"]
        assert managed.used("uploads_a_month") == 1
        refusal(managed.send("a.jpg", picture("pig.jpg"), **{"If-None-Match": '"etag"'}), 400)

    def test_of_many_at_once_that_want_a_new_file_one_succeeds(self, managed: Managed) -> None:
        names = ("owl", "pig", "cow", "crab", "koala", "moose")
        with ThreadPoolExecutor(6) as pool:
            sent = [pool.submit(managed.send, "same.jpg", picture(f"{n}.jpg"), **{"If-None-Match": "*"}) for n in names]
            statuses = sorted(answer.result().status_code for answer in sent)
        assert statuses == [201, 409, 409, 409, 409, 409]
        assert (managed.used("files"), managed.used("uploads_a_month")) == (1, 1)

    def test_what_is_no_picture_gives_its_share_back(self, managed: Managed) -> None:
        refusal(managed.send("a.jpg", b"no picture"), 400, field="file")
        assert [managed.used(name) for name in ("files", "managed_bytes", "uploads_a_month")] == [0, 0, 0]
        assert managed.files() == {}

    def test_nothing_is_left_where_the_bytes_arrived(self, managed: Managed, aws: Any, stack: LocalSystem) -> None:
        managed.send("a.jpg", picture("owl.jpg"))
        managed.send("b.jpg", b"no picture")
        listed = aws("s3").list_objects_v2(Bucket=stack.outputs["ManagedBucketName"], Prefix="incoming/")
        assert not [each for each in listed.get("Contents", []) if managed.uuid in each["Key"]]

    def test_a_plan_without_managed_storage_takes_none(self, newcomer: Newcomer) -> None:
        full = Managed(newcomer(managed_bytes=len(picture("owl.jpg"))))
        assert refusal(full.send("p.jpg", picture("crocodile.jpg")), 429)["error"] == "quota_exceeded"
        assert full.send("o.jpg", picture("owl.jpg")).status_code == 201
        assert "0 are free" in refusal(full.send("p.jpg", picture("owl.jpg")), 429)["message"]
        none = Managed(newcomer(uploads_a_month=0))
        assert "a month" in refusal(none.send("o.jpg", picture("owl.jpg")), 429)["message"]
        few = Managed(newcomer(files=0))
        assert "files" in refusal(few.send("o.jpg", picture("owl.jpg")), 429)["message"]


class TestSentToS3:
    def test_twenty_mebibytes_go_in_and_are_found(self, managed: Managed) -> None:
        body = large_picture(20 * MIB)
        prepared = managed.prepare("large.jpg", len(body))
        assert prepared.status_code == 201
        assert prepared.json()["result"]["upload"]["expires_at"] > datetime.now(UTC).isoformat()
        assert managed.files("pending").keys() == {"large.jpg"}
        assert managed.used("managed_bytes") == len(body)
        assert post(prepared, body).status_code in (200, 201, 204)
        done = managed.complete(prepared.json()["result"]["upload"]["id"])
        assert done.status_code == 201
        assert done.json()["result"] == {
            "message": "Image uploaded successfully",
            "collection": managed.uuid,
            "file": "large.jpg",
            "mime_type": "image/jpeg",
        }
        file = managed.files()["large.jpg"]
        assert (file["state"], file["file_size"], file["width"]) == ("indexed", 20 * MIB, 2048)
        similar = managed.caller.result("GET", f"/api/files/{file['uuid']}/similar/")["files"]
        assert similar == [], "alone in its account"
        found = managed.caller.result("GET", "/api/search/", params={"query": "noise"})["files"]
        assert [each["file_name"] for each in found] == ["large.jpg"]

    def test_one_byte_more_is_too_large(self, managed: Managed) -> None:
        assert refusal(managed.prepare("a.jpg", 20 * MIB + 1), 413, field="size")["error"] == "payload_too_large"
        assert managed.prepare("a.jpg", 20 * MIB).status_code == 201
        assert managed.prepare("b.jpg", 20_000_000).status_code == 201

    def test_s3s_event_alone_finishes_it(self, managed: Managed) -> None:
        prepared = managed.prepare("a.jpg", len(picture("owl.jpg")))
        assert post(prepared, picture("owl.jpg")).ok
        eventually(lambda: managed.found(picture("owl.jpg")) == ["a.jpg"])
        eventually(lambda: managed.files()["a.jpg"]["state"] == "indexed")
        assert managed.complete(prepared.json()["result"]["upload"]["id"]).status_code == 201
        assert (managed.used("files"), managed.used("uploads_a_month")) == (1, 1)
        assert managed.used("managed_bytes") == len(picture("owl.jpg"))

    def test_completing_it_many_times_at_once_finishes_it_once(self, managed: Managed) -> None:
        prepared = managed.prepare("a.jpg", len(picture("owl.jpg")))
        assert post(prepared, picture("owl.jpg")).ok
        upload = prepared.json()["result"]["upload"]["id"]
        with ThreadPoolExecutor(6) as pool:
            answers = [answer.result() for answer in [pool.submit(managed.complete, upload) for _ in range(6)]]
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        assert (managed.used("files"), managed.used("uploads_a_month")) == (1, 1)
        assert managed.used("managed_bytes") == len(picture("owl.jpg"))

    def test_it_is_not_complete_before_the_bytes_are_there(self, managed: Managed) -> None:
        prepared = managed.prepare("a.jpg", 5000)
        upload = prepared.json()["result"]["upload"]["id"]
        assert refusal(managed.complete(upload), 409)["error"] == "upload_incomplete"

    def test_the_form_takes_just_the_size_and_the_type_that_were_said(self, managed: Managed) -> None:
        body = picture("owl.jpg")
        prepared = managed.prepare("a.jpg", len(body))
        assert not post(prepared, body + b"\0").ok
        assert not post(prepared, body[:-1]).ok
        assert not post(prepared, body, **{"Content-Type": "text/html"}).ok
        assert not post(prepared, body, key="objects/somewhere/else.jpg").ok
        assert post(prepared, body).ok

    def test_what_it_is_comes_from_the_bytes(self, managed: Managed, aws: Any, stack: LocalSystem) -> None:
        prepared = managed.prepare("a.png", len(picture("owl.jpg")), "image/png")
        assert post(prepared, picture("owl.jpg")).ok
        done = managed.complete(prepared.json()["result"]["upload"]["id"]).json()["result"]
        assert (done["file"], done["mime_type"]) == ("a.png", "image/jpeg")
        key = managed.files()["a.png"]["s3_uri"].partition(stack.outputs["ManagedBucketName"] + "/")[2]
        assert aws("s3").head_object(Bucket=stack.outputs["ManagedBucketName"], Key=key)["ContentType"] == "image/jpeg"

    def test_what_is_no_picture_fails_with_its_reason_and_gives_its_share_back(self, managed: Managed) -> None:
        junk = b"words, not a picture"
        prepared = managed.prepare("a.jpg", len(junk))
        assert post(prepared, junk).ok
        upload = prepared.json()["result"]["upload"]["id"]
        refusal(managed.complete(upload), 400, field="file")
        refusal(managed.complete(upload), 400, field="file")
        failed = managed.files("failed")["a.jpg"]
        assert (failed["reason"], failed["thumbnail"]) == ("not_an_image", None)
        assert failed["detail"]
        assert [managed.used(name) for name in ("files", "managed_bytes", "uploads_a_month")] == [0, 0, 0]

    def test_what_is_no_picture_leaves_the_file_of_that_name_as_it_was(self, managed: Managed) -> None:
        managed.send("a.jpg", picture("owl.jpg"))
        prepared = managed.prepare("a.jpg", 9)
        assert post(prepared, b"no pictur").ok
        refusal(managed.complete(prepared.json()["result"]["upload"]["id"]), 400, field="file")
        assert managed.found(picture("owl.jpg")) == ["a.jpg"]
        assert managed.used("managed_bytes") == len(picture("owl.jpg"))

    def test_one_that_is_abandoned_gives_its_share_back_once_it_expires(
        self, managed: Managed, aws: Any, stack: LocalSystem
    ) -> None:
        upload = managed.prepare("a.jpg", 5000).json()["result"]["upload"]["id"]
        assert managed.used("managed_bytes") == 5000
        table = stack.outputs["AccountsTableName"]
        (item,) = [i for i in aws("dynamodb").scan(TableName=table)["Items"] if i["sk"]["S"].endswith(upload)]
        aws("dynamodb").update_item(
            TableName=table,
            Key={"pk": item["pk"], "sk": item["sk"]},
            UpdateExpression="SET expires_at = :past",
            ExpressionAttributeValues={":past": {"S": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}},
        )
        message = {"upload": {"account": item["account"]["S"], "collection": managed.uuid, "id": upload}}
        aws("sqs").send_message(QueueUrl=stack.outputs["UploadsQueueUrl"], MessageBody=json.dumps(message))
        eventually(lambda: managed.used("managed_bytes") == 0)
        assert (managed.used("files"), managed.used("uploads_a_month")) == (0, 0)
        eventually(lambda: managed.files() == {})
        assert "expired" in refusal(managed.complete(upload), 404)["message"]

    @pytest.mark.parametrize(
        ("field", "value", "status"),
        [
            ("file", None, 400),
            ("file", "..", 400),
            ("size", None, 400),
            ("size", 0, 400),
            ("size", "5", 400),
            ("size", True, 400),
            ("size", 1.5, 400),
            ("mime_type", None, 400),
            ("mime_type", "application/pdf", 415),
            ("mime_type", "image/svg+xml", 415),
            ("colour", "red", 400),
        ],
    )
    def test_one_that_cannot_be_names_the_field(self, managed: Managed, field: str, value: Any, status: int) -> None:
        wish = {"file": "a.jpg", "size": 5, "mime_type": "image/jpeg", field: value}
        refusal(managed.caller("POST", f"{managed.path}/upload/", json=wish), status, field=field)

    def test_one_that_does_not_exist_cannot_be_completed(self, managed: Managed) -> None:
        refusal(managed.complete(MISSING), 404)
        refusal(managed.complete("nonsense"), 404)

    def test_a_name_that_exists_is_a_conflict_when_the_caller_says_so(self, managed: Managed) -> None:
        managed.send("a.jpg", picture("owl.jpg"))
        refusal(managed.prepare("a.jpg", 9, **{"If-None-Match": "*"}), 409, field="file")
        prepared = managed.prepare("b.jpg", len(picture("pig.jpg")), **{"If-None-Match": "*"})
        managed.send("b.jpg", picture("owl.jpg"))
        assert post(prepared, picture("pig.jpg")).ok
        refusal(managed.complete(prepared.json()["result"]["upload"]["id"]), 409, field="file")
        assert sorted(managed.found(picture("owl.jpg"))) == ["a.jpg", "b.jpg"]


@pytest.fixture
def narrow(aws: Any, stack: LocalSystem) -> Iterator[None]:
    """As many functions behind the API at once as this machine can bear; callers beyond that are told to come back."""
    functions, name = aws("lambda"), stack.outputs["APIHandlerName"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=6)
    yield
    functions.delete_function_concurrency(FunctionName=name)


@pytest.mark.usefixtures("narrow")
def test_a_hundred_uploads_at_once_against_an_allowance_of_sixty_leave_exactly_sixty(newcomer: Newcomer) -> None:
    managed = Managed(newcomer(uploads_a_month=60))
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(out, "PNG")

    def send(number: int) -> int:
        while True:
            answer = managed.send(f"{number}.png", out.getvalue())
            if answer.status_code != 429 or "quota_exceeded" in answer.text:
                return answer.status_code
            time.sleep(random.uniform(0.1, 0.5))

    with ThreadPoolExecutor(100) as pool:
        statuses = sorted(pool.map(send, range(100)))
    assert statuses == [201] * 60 + [429] * 40
    assert len(managed.files("indexed")) == 60
    assert (managed.used("files"), managed.used("uploads_a_month")) == (60, 60)
    assert managed.used("managed_bytes") == 60 * len(out.getvalue())
