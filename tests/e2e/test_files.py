"""Files over HTTP: listed, shown, compared, retried and deleted; and searches narrowed and paged."""

from typing import Any

import pytest

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.examples import FILE
from tests.e2e.harness import MISSING_ID, Caller, ManagedCollection, SampleBucket, error_info, eventually, picture


def pages(caller: Caller, path: str, **parameters: Any) -> list[list[dict[str, Any]]]:
    """The files of each page, from the first to the last."""
    collected, cursor = [], None
    while True:
        body = caller("GET", path, params={**parameters, "cursor": cursor}).json()
        assert body["success"], body
        collected.append(body["result"]["files"])
        assert body["info"]["files_count"] == len(collected[-1])
        cursor = body["info"]["next_cursor"]
        if cursor is None:
            return collected


@pytest.fixture
def owl(api: Caller) -> dict[str, Any]:
    """The sample of an owl, as a search returns it."""
    (file,) = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"]
    return dict(file)


@pytest.fixture
def listing(stack: LocalSystem) -> str:
    """The path of the sample collection's files."""
    return f"/api/collections/{stack.collection}/files/"


def test_a_listing_has_every_file_once_in_the_order_of_the_keys(api: Caller, listing: str) -> None:
    listed = pages(api, listing, limit=7)
    assert all(len(page) == 7 for page in listed[:-1])
    names = [file["file_name"] for page in listed for file in page]
    assert names == sorted(names)
    assert set(names) >= {path.name for path in (SAMPLES / "photos").glob("*.jpg")}


def test_a_listed_file_has_the_fields_of_a_search_and_its_state(api: Caller, listing: str, owl: dict[str, Any]) -> None:
    files = api.result("GET", listing, params={"limit": 100})["files"]
    listed = next(file for file in files if file["file_name"] == owl["file_name"])
    fields = [name for name in FILE if name != "distance"]
    assert {name: listed[name] for name in fields} == {name: owl[name] for name in fields}
    assert set(owl) - {"distance"} == set(fields)
    assert (listed["state"], listed["reason"], listed["mime_type"]) == ("indexed", None, "image/jpeg")
    assert api.result("GET", f"/api/files/{owl['uuid']}/")["file"] == listed


def test_a_listing_neither_repeats_nor_skips_files_while_the_collection_changes(managed: ManagedCollection) -> None:
    for name in "bdfhj":
        managed.upload(f"{name}.jpg", picture("igloo.jpg"))
    path = f"{managed.path}/files/"
    first = managed.caller("GET", path, params={"limit": 2}).json()
    managed.upload("a.jpg", picture("igloo.jpg"))
    managed.upload("g.jpg", picture("igloo.jpg"))
    files = managed.files()
    for name in ("b.jpg", "d.jpg"):
        assert managed.caller("DELETE", f"/api/files/{files[name]['uuid']}/").status_code == 200
    later_names, cursor = [], first["info"]["next_cursor"]
    while cursor:
        body = managed.caller("GET", path, params={"limit": 2, "cursor": cursor}).json()
        later_names += [file["file_name"] for file in body["result"]["files"]]
        cursor = body["info"]["next_cursor"]
    assert [file["file_name"] for file in first["result"]["files"]] == ["b.jpg", "d.jpg"]
    assert later_names == ["f.jpg", "g.jpg", "h.jpg", "j.jpg"]


def test_a_listing_can_be_narrowed_to_a_state(api: Caller, listing: str, bucket: SampleBucket) -> None:
    for name in ("x", "y", "z"):
        bucket.put(f"photos/listed-{name}.jpg", b"these are words")
    eventually(lambda: len(pages(api, listing, state="failed", limit=2)) == 2)
    failed = [file for page in pages(api, listing, state="failed", limit=2) for file in page]
    assert [file["file_name"] for file in failed] == ["listed-x.jpg", "listed-y.jpg", "listed-z.jpg"]
    assert {(file["reason"], file["md5"]) for file in failed} == {("not_an_image", None)}
    indexed = [file["state"] for page in pages(api, listing, state="indexed", limit=100) for file in page]
    assert set(indexed) == {"indexed"}
    all_states = [file["state"] for page in pages(api, listing, limit=100) for file in page]
    assert sorted(all_states) == sorted(["failed"] * 3 + indexed)
    assert pages(api, listing, state="pending") == [[]]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("state", "removed"), ("state", ""), ("limit", "0"), ("cursor", "x"), ("cursor", "WzEsMl0"), ("cursor", "é")],
)
def test_an_invalid_listing_names_the_parameter(api: Caller, listing: str, parameter: str, value: str) -> None:
    error_info(api("GET", listing, params={parameter: value}), 400, field=parameter)


def test_a_cursor_of_one_listing_is_refused_for_another(api: Caller, stack: LocalSystem, listing: str) -> None:
    cursor = api("GET", listing, params={"limit": 1}).json()["info"]["next_cursor"]
    error_info(api("GET", listing, params={"cursor": cursor, "state": "indexed"}), 400, field="cursor")
    other = f"/api/collections/{stack.managed_collection}/files/"
    error_info(api("GET", other, params={"cursor": cursor}), 400, field="cursor")


def test_a_deleted_managed_file_is_gone_at_once_and_frees_its_quota(
    managed: ManagedCollection, aws: Any, stack: LocalSystem
) -> None:
    managed.upload("a.jpg", picture("owl.jpg"))
    file = managed.files()["a.jpg"]
    path = f"/api/files/{file['uuid']}/"
    assert managed.caller("DELETE", path).status_code == 200
    assert managed.exact_matches(picture("owl.jpg")) == []
    assert managed.files() == {}
    for method, deleted in [
        ("GET", path),
        ("DELETE", path),
        ("GET", file["thumbnail"]),
        ("GET", file["download_url"]),
    ]:
        error_info(managed.caller(method, deleted), 404)
    usage = managed.caller.usage()
    assert (usage["files"], usage["managed_bytes"]) == (0, 0)
    objects = aws("s3").list_objects_v2(Bucket=stack.outputs["ManagedBucketName"]).get("Contents", [])
    assert not [entry for entry in objects if managed.uuid in entry["Key"]]
    (tombstone,) = aws("dynamodb").query(
        TableName=stack.outputs["CatalogueTableName"],
        KeyConditionExpression="#c = :c",
        ExpressionAttributeNames={"#c": "collection"},
        ExpressionAttributeValues={":c": {"S": managed.uuid}},
    )["Items"]
    assert not {"vector", "md5", "width", "content", "thumbnail"} & set(tombstone)
    assert managed.upload("a.jpg", picture("owl.jpg")).status_code == 201
    assert managed.exact_matches(picture("owl.jpg")) == ["a.jpg"]


def test_a_file_is_changed_moved_and_deleted_with_others_by_their_owner(managed: ManagedCollection) -> None:
    caller, body = managed.caller, picture("owl.jpg")
    for name, content in (("owl.jpg", body), ("cow.jpg", picture("cow.jpg"))):
        assert managed.upload(name, content).status_code == 201
    old = managed.files()["owl.jpg"]["uuid"]
    change = {"path": "birds/night/owl.jpg", "metadata": {"product_id": "A1", "tag": ["bird"]}}
    moved = caller.result("PATCH", f"/api/files/{old}/", json=change)["file"]
    assert (moved["path"], moved["metadata"]) == (change["path"], change["metadata"])
    assert caller("GET", f"/api/files/{old}/").status_code == 404
    assert caller("GET", f"/media/{managed.uuid}/{moved['uuid']}.jpg").status_code == 200
    params = {"collection": managed.uuid, "include": "path,metadata,format"}
    (hit, *_) = caller.result("POST", "/api/search/", files={"file": body}, params=params)["files"]
    assert (hit["uuid"], hit["distance"], hit["path"]) == (moved["uuid"], 0.0, change["path"])
    assert (hit["metadata"], hit["format"]) == (change["metadata"], "jpeg")

    folder = {"collection": managed.uuid, "filter": {"path": "birds/", "metadata": {"product_id": "A1"}}}
    report = caller.result("POST", "/api/files/delete/", json={**folder, "dry_run": True})
    assert (report["count"], [file["outcome"] for file in report["files"]]) == (1, ["matched"])
    assert caller.result("POST", "/api/files/delete/", json=folder)["count"] == 1
    eventually(lambda: list(managed.files()) == ["cow.jpg"])

    def outcomes(*uuids: str) -> list[str]:
        files = caller.result("POST", "/api/files/delete/", json={"files": uuids})["files"]
        return [file["outcome"] for file in files]

    # It is in no list as soon as its deletion has begun, and pending until the worker has ended that.
    eventually(lambda: outcomes(moved["uuid"]) == ["not_found"], seconds=20)
    assert outcomes(managed.files()["cow.jpg"]["uuid"], moved["uuid"]) == ["deleted", "not_found"]
    assert managed.exact_matches(body) == []


def test_a_file_of_a_customers_bucket_cannot_be_deleted(api: Caller, owl: dict[str, Any]) -> None:
    error_info(api("DELETE", f"/api/files/{owl['uuid']}/"), 400)
    assert api("GET", f"/api/files/{owl['uuid']}/").status_code == 200


def test_similar_files_come_nearest_first_without_the_file_itself(api: Caller, owl: dict[str, Any]) -> None:
    path = f"/api/files/{owl['uuid']}/similar/"
    body = api("GET", path).json()
    assert body["info"] == {"files_count": 16, "search_type": "file", "query": owl["uuid"]}
    assert owl["uuid"] not in [file["uuid"] for file in body["result"]["files"]]
    paged = [file for page in pages(api, path, limit=10) for file in page]
    assert paged[:16] == body["result"]["files"]
    assert len({file["uuid"] for file in paged}) == len(paged)


@pytest.mark.parametrize("uuid", [MISSING_ID, "nonsense"])
def test_files_similar_to_a_missing_file_are_not_found(api: Caller, uuid: str) -> None:
    error_info(api("GET", f"/api/files/{uuid}/similar/"), 404)


def test_a_failed_file_can_be_retried(api: Caller, listing: str, bucket: SampleBucket) -> None:
    def retried_file() -> dict[str, Any] | None:
        files = api.result("GET", listing, params={"state": "failed"})["files"]
        return next((file for file in files if file["file_name"] == "retried.jpg"), None)

    bucket.put("photos/retried.jpg", b"these are words")
    before = eventually(retried_file)
    assert before is not None
    assert api("POST", f"/api/files/{before['uuid']}/retry/").status_code == 202
    eventually(lambda: (file := retried_file()) and file["updated_at"] > before["updated_at"])


def test_a_file_that_has_not_failed_cannot_be_retried(api: Caller, owl: dict[str, Any]) -> None:
    answer = api("POST", f"/api/files/{owl['uuid']}/retry/")
    assert error_info(answer, 409)["error"] == "not_retriable"


def test_the_pages_of_a_text_search_add_up_to_one_search(api: Caller) -> None:
    files = api.result("GET", "/api/search/", params={"query": "an animal", "limit": 40})["files"]
    paged = [file for page in pages(api, "/api/search/", query="an animal", limit=13) for file in page]
    assert paged[:40] == files
    assert len({file["uuid"] for file in paged}) == len(paged)


def test_a_picture_search_takes_its_options_in_the_query_or_in_the_form(api: Caller, stack: LocalSystem) -> None:
    options: dict[str, Any] = {"limit": 3, "collection": stack.collection, "max_distance": "1.5"}
    in_query = api.result("POST", "/api/search/", params=options, files={"file": picture("owl.jpg")})
    in_form = api.result("POST", "/api/search/", data=options, files={"file": picture("owl.jpg")})
    assert in_form == in_query


def test_the_pages_of_a_picture_search_add_up_to_one_search(api: Caller, stack: LocalSystem) -> None:
    def search(name: str = "owl.jpg", **changes: Any) -> Any:
        options = {"limit": 3, "collection": stack.collection, "max_distance": "1.5", **changes}
        return api("POST", "/api/search/", data=options, files={"file": picture(name)})

    first = search().json()
    cursor = first["info"]["next_cursor"]
    second = search(cursor=cursor).json()
    assert first["result"]["files"] + second["result"]["files"] == search(limit=6).json()["result"]["files"]
    error_info(search("pig.jpg", cursor=cursor), 400, field="cursor")


def test_a_search_can_be_narrowed_to_collections(managed: ManagedCollection) -> None:
    second, third = ManagedCollection(managed.caller), ManagedCollection(managed.caller)
    managed.upload("a.jpg", picture("owl.jpg"))
    second.upload("b.jpg", picture("owl.jpg"))
    third.upload("c.jpg", picture("owl.jpg"))

    def names(*collections: str) -> list[str]:
        parameters = {"query": "owl", "collection": list(collections)}
        files = managed.caller.result("GET", "/api/search/", params=parameters)["files"]
        return sorted(file["file_name"] for file in files)

    assert names() == ["a.jpg", "b.jpg", "c.jpg"]
    assert names(second.uuid) == ["b.jpg"]
    assert names(managed.uuid, third.uuid) == ["a.jpg", "c.jpg"]


def test_a_search_can_be_narrowed_to_a_distance(api: Caller) -> None:
    def search(**options: Any) -> list[dict[str, Any]]:
        files: list[dict[str, Any]] = api.result("GET", "/api/search/", params={"query": "an owl", **options})["files"]
        return files

    files = search(limit=100)
    max_distance = files[4]["distance"]
    assert search(max_distance=max_distance, limit=100) == [file for file in files if file["distance"] <= max_distance]
    assert search(max_distance=0) == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("max_distance", value) for value in ("-1", "2.1", "nan", "inf", "", "near", "1e1", "٠")]
    + [("cursor", value) for value in ("x", "é", "W10", "a" * 5000)],
)
def test_an_invalid_search_option_names_the_parameter(api: Caller, parameter: str, value: str) -> None:
    error_info(api("GET", "/api/search/", params={"query": "owl", parameter: value}), 400, field=parameter)


def test_a_search_in_another_accounts_collection_is_not_found(other_account: Caller, stack: LocalSystem) -> None:
    for uuid in (stack.collection, MISSING_ID, "nonsense"):
        error_info(
            other_account("GET", "/api/search/", params={"query": "owl", "collection": uuid}), 404, field="collection"
        )


def test_a_search_cursor_is_refused_for_another_query_and_for_another_account(
    api: Caller, managed: ManagedCollection
) -> None:
    cursor = api("GET", "/api/search/", params={"query": "owl", "limit": 1}).json()["info"]["next_cursor"]
    assert api("GET", "/api/search/", params={"query": "owl", "cursor": cursor}).status_code == 200
    error_info(api("GET", "/api/search/", params={"query": "dog", "cursor": cursor}), 400, field="cursor")
    foreign = managed.caller("GET", "/api/search/", params={"query": "owl", "cursor": cursor})
    error_info(foreign, 400, field="cursor")
