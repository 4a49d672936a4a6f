"""Managed collections over HTTP: pictures sent along or by presigned POST, each counted once, none over quota."""

import hashlib
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
from tests.e2e.harness import MISSING_ID, Caller, ManagedCollection, error_info, eventually, picture

NewAccount = Callable[..., Caller]
MIB = 2**20


class PresignedUpload:
    """An upload that is prepared, and whose bytes go to S3 by the presigned form of the answer."""

    def __init__(
        self, managed: ManagedCollection, name: str, size: int, mime_type: str = "image/jpeg", **headers: str
    ) -> None:
        self._managed = managed
        answer = managed.prepare(name, size, mime_type, **headers)
        assert answer.status_code == 201, answer.text
        result = answer.json()["result"]
        upload, form = result["upload"], result["form"]
        self.id: str = upload["id"]
        self.expires_at: str = upload["expires_at"]
        self._url, self._fields = form["url"], form["fields"]

    def post(self, body: bytes, **changed_fields: str) -> bool:
        """Sends the bytes to S3 as a page of any origin does; returns whether it took them."""
        fields = {**self._fields, **changed_fields}
        file, page = {"file": ("any-name", body)}, {"Origin": "https://app.example"}
        return requests.post(self._url, data=fields, files=file, headers=page, timeout=60).ok

    def complete(self) -> requests.Response:
        return self._managed.complete(self.id)


def usage(managed: ManagedCollection) -> tuple[int, int, int]:
    """Files, bytes and this month's uploads of the account."""
    limits = managed.caller.usage()
    return limits["files"], limits["managed_bytes"], limits["uploads_a_month"]


def large_picture(size: int) -> bytes:
    """A JPEG of exactly so many bytes: noise, which does not compress, and zeros after the picture's end."""
    noise = np.random.default_rng(size).integers(0, 256, (2048, 2048, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=97)
    assert out.tell() <= size, out.tell()
    return out.getvalue() + b"\0" * (size - out.tell())


def small_picture(number: int) -> bytes:
    """A PNG of its own for each number."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 2 * number, 255 - number)).save(out, "PNG")
    return out.getvalue()


def test_an_upload_under_an_existing_name_replaces_that_file_if_it_is_asked_to(managed: ManagedCollection) -> None:
    replacing = {"replace": "true"}
    assert managed.upload("a.jpg", picture("owl.jpg"), replacing).json()["result"]["replaced"] is False
    before = managed.files()["a.jpg"]
    assert managed.upload("a.jpg", picture("pig.jpg"), replacing).json()["result"]["replaced"] is True
    after = managed.files()["a.jpg"]
    assert (after["uuid"], after["file_size"]) == (before["uuid"], len(picture("pig.jpg")))
    assert managed.exact_matches(picture("pig.jpg")) == ["a.jpg"]
    assert managed.exact_matches(picture("owl.jpg")) == []
    assert usage(managed) == (1, len(picture("pig.jpg")), 2)


def test_an_upload_with_if_none_match_under_an_existing_name_is_a_conflict(managed: ManagedCollection) -> None:
    assert managed.upload("a.jpg", picture("owl.jpg"), **{"If-None-Match": "*"}).status_code == 201
    second = managed.upload("a.jpg", picture("pig.jpg"), **{"If-None-Match": "*"})
    info, file = error_info(second, 409, field="file"), managed.files()["a.jpg"]
    assert (info["error"], info["uuid"], info["md5"]) == ("file_exists", file["uuid"], file["md5"])
    assert managed.exact_matches(picture("owl.jpg")) == ["a.jpg"]
    assert managed.caller.usage()["uploads_a_month"] == 1
    error_info(managed.upload("a.jpg", picture("pig.jpg"), **{"If-None-Match": '"etag"'}), 400, field="If-None-Match")


def test_one_of_many_concurrent_uploads_with_if_none_match_succeeds(managed: ManagedCollection) -> None:
    def upload(name: str) -> int:
        return managed.upload("same.jpg", picture(f"{name}.jpg"), **{"If-None-Match": "*"}).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(upload, ("owl", "pig", "cow", "crab", "koala", "moose")))
    assert statuses == [201, 409, 409, 409, 409, 409]
    limits = managed.caller.usage()
    assert (limits["files"], limits["uploads_a_month"]) == (1, 1)


def test_an_upload_that_is_no_picture_releases_its_quota(managed: ManagedCollection) -> None:
    error_info(managed.upload("a.jpg", b"no picture"), 400, field="file")
    assert usage(managed) == (0, 0, 0)
    assert managed.files() == {}


def test_an_upload_leaves_no_staged_object(managed: ManagedCollection, aws: Any, stack: LocalSystem) -> None:
    managed.upload("a.jpg", picture("owl.jpg"))
    managed.upload("b.jpg", b"no picture")
    staged = aws("s3").list_objects_v2(Bucket=stack.outputs["ManagedBucketName"], Prefix="incoming/")
    assert not [entry for entry in staged.get("Contents", []) if managed.uuid in entry["Key"]]


def test_an_upload_beyond_the_bytes_of_the_plan_is_refused(new_account: NewAccount) -> None:
    managed = ManagedCollection(new_account(managed_bytes=len(picture("owl.jpg"))))
    assert error_info(managed.upload("p.jpg", picture("crocodile.jpg")), 403)["error"] == "quota_exceeded"
    assert managed.upload("o.jpg", picture("owl.jpg")).status_code == 201
    assert "0 are free" in error_info(managed.upload("p.jpg", picture("owl.jpg")), 403)["message"]


@pytest.mark.parametrize(("limit", "words"), [("uploads_a_month", "a month"), ("files", "files")])
def test_an_upload_is_refused_where_the_plan_has_none(new_account: NewAccount, limit: str, words: str) -> None:
    managed = ManagedCollection(new_account(**{limit: 0}))
    assert words in error_info(managed.upload("o.jpg", picture("owl.jpg")), 403)["message"]


def test_a_presigned_upload_of_twenty_mebibytes_is_indexed(managed: ManagedCollection) -> None:
    body = large_picture(20 * MIB)
    upload = PresignedUpload(managed, "large.jpg", len(body))
    assert upload.expires_at > datetime.now(UTC).isoformat()
    assert managed.files("pending").keys() == {"large.jpg"}
    assert managed.caller.usage()["managed_bytes"] == len(body)
    assert upload.post(body)
    answer = upload.complete()
    assert answer.status_code == 201
    assert answer.json()["result"] == {
        "message": "Image uploaded successfully",
        "collection": managed.uuid,
        "file": "large.jpg",
        "mime_type": "image/jpeg",
        "uuid": managed.files()["large.jpg"]["uuid"],
        "path": "large.jpg",
        "replaced": False,
    }
    file = managed.files()["large.jpg"]
    assert (file["state"], file["file_size"], file["width"]) == ("indexed", 20 * MIB, 2048)
    similar = managed.caller.result("GET", f"/api/files/{file['uuid']}/similar/")["files"]
    assert similar == [], "alone in its account"
    assert managed.caller.search_names("noise") == ["large.jpg"]


def test_an_upload_of_more_than_twenty_mebibytes_is_too_large(managed: ManagedCollection) -> None:
    assert error_info(managed.prepare("a.jpg", 20 * MIB + 1), 413, field="size")["error"] == "payload_too_large"
    assert managed.prepare("a.jpg", 20 * MIB).status_code == 201
    assert managed.prepare("b.jpg", 20_000_000).status_code == 201


def test_a_presigned_upload_is_completed_by_s3s_event_alone(managed: ManagedCollection) -> None:
    upload = PresignedUpload(managed, "2024/ sümmer/a.jpg", len(picture("owl.jpg")))
    assert upload.post(picture("owl.jpg"))
    eventually(lambda: managed.exact_matches(picture("owl.jpg")) == ["a.jpg"])
    eventually(lambda: managed.files()["a.jpg"]["state"] == "indexed")
    assert upload.complete().json()["result"]["path"] == "2024/sümmer/a.jpg"
    assert managed.caller.result("GET", f"{managed.path}/explain/", params={"key": "2024/sümmer/a.jpg"})["in_index"]
    original = managed.caller("GET", managed.files()["a.jpg"]["download_url"]).headers["Location"]
    assert requests.get(original, timeout=60).content == picture("owl.jpg")
    assert usage(managed) == (1, len(picture("owl.jpg")), 1)


def test_a_picture_that_is_sent_again_is_the_same_file_though_nobody_completes_the_upload(
    managed: ManagedCollection,
) -> None:
    stored = managed.upload("a.jpg", picture("owl.jpg")).json()["result"]
    upload = PresignedUpload(managed, "a.jpg", len(picture("owl.jpg")))
    assert upload.post(picture("owl.jpg"))
    path = f"{managed.path}/uploads/{upload.id}/"
    eventually(lambda: managed.caller.result("GET", path)["upload"]["state"] == "done")
    assert managed.caller.result("GET", path)["upload"]["uuid"] == stored["uuid"]
    assert usage(managed) == (1, len(picture("owl.jpg")), 1)


def test_concurrent_completions_of_one_upload_count_it_once(managed: ManagedCollection) -> None:
    upload = PresignedUpload(managed, "a.jpg", len(picture("owl.jpg")))
    assert upload.post(picture("owl.jpg"))
    with ThreadPoolExecutor(6) as pool:
        answers = [future.result() for future in [pool.submit(upload.complete) for _ in range(6)]]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert usage(managed) == (1, len(picture("owl.jpg")), 1)


def test_an_upload_whose_bytes_have_not_arrived_cannot_be_completed(managed: ManagedCollection) -> None:
    upload = PresignedUpload(managed, "a.jpg", 5000)
    assert error_info(upload.complete(), 409)["error"] == "upload_incomplete"


def test_a_presigned_form_takes_exactly_the_announced_size_and_type(managed: ManagedCollection) -> None:
    body = picture("owl.jpg")
    upload = PresignedUpload(managed, "a.jpg", len(body))
    assert not upload.post(body + b"\0")
    assert not upload.post(body[:-1])
    assert not upload.post(body, **{"Content-Type": "text/html"})
    assert not upload.post(body, key="objects/somewhere/else.jpg")
    assert upload.post(body)


def test_the_type_of_a_presigned_upload_comes_from_its_bytes(
    managed: ManagedCollection, aws: Any, stack: LocalSystem
) -> None:
    upload = PresignedUpload(managed, "a.png", len(picture("owl.jpg")), "image/png")
    assert upload.post(picture("owl.jpg"))
    result = upload.complete().json()["result"]
    assert (result["file"], result["mime_type"]) == ("a.png", "image/jpeg"), "a file keeps its name"
    bucket = stack.outputs["ManagedBucketName"]
    key = managed.files()["a.png"]["s3_uri"].partition(bucket + "/")[2]
    assert aws("s3").head_object(Bucket=bucket, Key=key)["ContentType"] == "image/jpeg"
    download = managed.caller("GET", managed.files()["a.png"]["download_url"]).headers["Location"]
    headers = requests.get(download, timeout=60).headers
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''a.jpg", "it is saved as what it is"
    assert headers["Content-Type"] == "image/jpeg"


def test_a_name_loses_its_bidi_controls(managed: ManagedCollection) -> None:
    answer = managed.upload("invoice\u202egpj.exe", picture("owl.jpg"))
    assert answer.json()["result"]["file"] == "invoicegpj.exe"
    download = managed.caller("GET", managed.files()["invoicegpj.exe"]["download_url"]).headers["Location"]
    assert requests.get(download, timeout=60).headers["Content-Disposition"].endswith("invoicegpj.exe.jpg")


def test_a_form_that_is_sent_again_never_reaches_the_file(
    managed: ManagedCollection, aws: Any, stack: LocalSystem
) -> None:
    body, other = picture("owl.jpg"), picture("owl.jpg")[:-1] + b"\0"
    upload = PresignedUpload(managed, "a.jpg", len(body))
    assert upload.post(body)
    assert upload.complete().status_code == 201
    before = managed.files()["a.jpg"]
    assert upload.post(other)
    staged = f"uploads/{managed.files()['a.jpg']['s3_uri'].split('/', 4)[4].rpartition('/')[0]}/{upload.id}"
    bucket = stack.outputs["ManagedBucketName"]
    eventually(lambda: "Contents" not in aws("s3").list_objects_v2(Bucket=bucket, Prefix=staged))
    assert upload.complete().status_code == 201
    assert managed.files()["a.jpg"] == before
    assert managed.exact_matches(body) == ["a.jpg"]


def test_a_presigned_upload_that_is_no_picture_fails_with_its_reason_and_releases_its_quota(
    managed: ManagedCollection,
) -> None:
    body = b"words, not a picture"
    upload = PresignedUpload(managed, "a.jpg", len(body))
    assert upload.post(body)
    error_info(upload.complete(), 400, field="file")
    error_info(upload.complete(), 400, field="file")
    failed = managed.files("failed")["a.jpg"]
    assert (failed["reason"], failed["thumbnail"]) == ("not_an_image", None)
    assert failed["detail"]
    assert usage(managed) == (0, 0, 0)


def test_a_failed_presigned_upload_does_not_change_the_file_of_that_name(managed: ManagedCollection) -> None:
    managed.upload("a.jpg", picture("owl.jpg"))
    upload = PresignedUpload(managed, "a.jpg", 9)
    assert upload.post(b"no pictur")
    error_info(upload.complete(), 400, field="file")
    assert managed.exact_matches(picture("owl.jpg")) == ["a.jpg"]
    assert managed.caller.usage()["managed_bytes"] == len(picture("owl.jpg"))


def item_of(upload: PresignedUpload, aws: Any, stack: LocalSystem) -> Any:
    """The upload's item in the table of accounts."""
    items = aws("dynamodb").scan(TableName=stack.outputs["AccountsTableName"])["Items"]
    (item,) = [item for item in items if item["sk"]["S"].endswith(upload.id)]
    return item


def let_expire(upload: PresignedUpload, managed: ManagedCollection, aws: Any, stack: LocalSystem) -> None:
    """Lets the upload's time be over, and has a worker check it."""
    item = item_of(upload, aws, stack)
    aws("dynamodb").update_item(
        TableName=stack.outputs["AccountsTableName"],
        Key={"pk": item["pk"], "sk": item["sk"]},
        UpdateExpression="SET expires_at = :past",
        ExpressionAttributeValues={":past": {"S": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}},
    )
    message = {"upload": {"account": item["account"]["S"], "collection": managed.uuid, "id": upload.id}}
    aws("sqs").send_message(QueueUrl=stack.outputs["UploadsQueueUrl"], MessageBody=json.dumps(message))


def test_an_expired_upload_releases_its_quota(managed: ManagedCollection, aws: Any, stack: LocalSystem) -> None:
    upload = PresignedUpload(managed, "a.jpg", 5000)
    assert managed.caller.usage()["managed_bytes"] == 5000
    let_expire(upload, managed, aws, stack)
    eventually(lambda: managed.caller.usage()["managed_bytes"] == 0)
    assert usage(managed) == (0, 0, 0)
    eventually(lambda: managed.files() == {})
    assert "expired" in error_info(upload.complete(), 404)["message"]


def test_a_stored_file_whose_worker_died_is_counted_once_the_expired_upload_is_checked(
    managed: ManagedCollection, aws: Any, stack: LocalSystem
) -> None:
    body = picture("owl.jpg")
    upload = PresignedUpload(managed, "a.jpg", len(body))
    key = f"objects/{item_of(upload, aws, stack)['account']['S']}/{managed.uuid}/a.jpg"
    bucket, metadata = stack.outputs["ManagedBucketName"], {"similarix-upload": upload.id}
    aws("s3").put_object(Bucket=bucket, Key=key, Body=body, ContentType="image/jpeg", Metadata=metadata)
    eventually(lambda: managed.files()["a.jpg"]["state"] == "indexed")  # by S3's event
    let_expire(upload, managed, aws, stack)
    # Only the worker checks it: a request that asked meanwhile would hold the file's lock, and delay the check.
    eventually(lambda: item_of(upload, aws, stack)["state"]["S"] == "done")
    assert upload.complete().status_code == 201
    assert usage(managed) == (1, len(body), 1)
    assert managed.exact_matches(body) == ["a.jpg"]
    deleted = managed.caller("DELETE", f"/api/files/{managed.files()['a.jpg']['uuid']}/")
    assert deleted.ok, deleted.text
    assert usage(managed)[:2] == (0, 0)


@pytest.mark.parametrize("name", ["owl.jpg", "objects/another/owl.jpg", "none.jpg"])
def test_an_uploaded_file_is_explained_by_its_name(managed: ManagedCollection, name: str) -> None:
    managed.upload("owl.jpg", picture("owl.jpg"))
    explanation = managed.caller.result("GET", f"{managed.path}/explain/", params={"key": name})
    sentences = {
        "owl.jpg": "searches find it",
        "objects/another/owl.jpg": "Name a file of this collection as it was uploaded: 'owl.jpg'",
        "none.jpg": "The collection has no file of this name",
    }
    assert sentences[name] in explanation["conclusion"]
    assert explanation["in_index"] is (name == "owl.jpg")


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("path", None, 400),
        ("path", "..", 400),
        ("path", "/a.jpg", 400),
        ("path", "2024//a.jpg", 400),
        ("file", "a.jpg", 400),
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
def test_an_invalid_request_for_an_upload_names_the_field(
    managed: ManagedCollection, field: str, value: Any, status: int
) -> None:
    payload = {"path": "a.jpg", "size": 5, "mime_type": "image/jpeg", field: value}
    error_info(managed.caller("POST", f"{managed.path}/uploads/", json=payload), status, field=field)


@pytest.mark.parametrize("upload", [MISSING_ID, "nonsense"])
def test_a_missing_upload_cannot_be_completed(managed: ManagedCollection, upload: str) -> None:
    error_info(managed.complete(upload), 404)


def test_a_presigned_upload_with_if_none_match_is_a_conflict_when_prepared_and_when_completed(
    managed: ManagedCollection,
) -> None:
    managed.upload("a.jpg", picture("owl.jpg"))
    error_info(managed.prepare("a.jpg", 9, **{"If-None-Match": "*"}), 409, field="path")
    upload = PresignedUpload(managed, "b.jpg", len(picture("pig.jpg")), **{"If-None-Match": "*"})
    managed.upload("b.jpg", picture("owl.jpg"))
    assert upload.post(picture("pig.jpg"))
    error_info(upload.complete(), 409, field="file")
    assert sorted(managed.exact_matches(picture("owl.jpg"))) == ["a.jpg", "b.jpg"]


@pytest.fixture
def six_api_functions(aws: Any, stack: LocalSystem) -> Iterator[None]:
    """At most six functions serve the API at once, as many as this machine can bear; further requests get 429."""
    functions, name = aws("lambda"), stack.outputs["APIHandlerName"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=6)
    yield
    functions.delete_function_concurrency(FunctionName=name)


@pytest.mark.usefixtures("six_api_functions")
def test_of_concurrent_uploads_under_one_name_each_picture_becomes_one_file(managed: ManagedCollection) -> None:
    different = [small_picture(number) for number in range(20)]
    bodies = [body for pair in zip(different, [different[0]] * 20, strict=True) for body in pair]

    def upload(body: bytes) -> Any:
        while (answer := managed.upload("a.png", body)).status_code in (429, 503):
            time.sleep(random.uniform(0.1, 0.5))
        assert answer.status_code == 201, answer.text
        return answer.json()["result"]

    with ThreadPoolExecutor(40) as pool:
        results = list(pool.map(upload, bodies))
    assert {result["path"] for result in results} == {"a.png", *(f"a ({number}).png" for number in range(1, 20))}
    assert len({result["uuid"] for result, body in zip(results, bodies, strict=True) if body == different[0]}) == 1
    files = managed.files("indexed")
    assert {file["md5"] for file in files.values()} == {hashlib.md5(body).hexdigest() for body in different}
    assert usage(managed) == (20, sum(map(len, different)), 20)


@pytest.mark.usefixtures("six_api_functions")
def test_exactly_sixty_of_a_hundred_concurrent_uploads_fit_into_a_limit_of_sixty(new_account: NewAccount) -> None:
    managed = ManagedCollection(new_account(uploads_a_month=60))
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(out, "PNG")

    def upload(number: int) -> int:
        while True:
            answer = managed.upload(f"{number}.png", out.getvalue())
            if answer.status_code != 429:
                return answer.status_code
            time.sleep(random.uniform(0.1, 0.5))

    with ThreadPoolExecutor(100) as pool:
        statuses = sorted(pool.map(upload, range(100)))
    assert statuses == [201] * 60 + [403] * 40
    assert len(managed.files("indexed")) == 60
    assert usage(managed) == (60, 60 * len(out.getvalue()), 60)


@pytest.mark.parametrize("url", ["https://localhost/owl.jpg", "https://169.254.169.254/latest/", "https://[::1]/"])
def test_a_url_of_this_machine_or_of_its_credentials_is_not_fetched(managed: ManagedCollection, url: str) -> None:
    info = error_info(managed.caller("POST", f"{managed.path}/uploads/fetch/", json={"url": url}), 400, field="url")
    assert info["error"] == "unreadable_url"
    assert "no public address" in info["message"]
    assert managed.files() == {}
