"""Files over HTTP: listed, shown, found by likeness, tried again, deleted; and searches narrowed and paged."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.local_system import LocalSystem
from tests.conftest import SAMPLES
from tests.e2e.conftest import Bucket, Caller, eventually, picture
from tests.e2e.test_bad_input import MISSING, refusal
from tests.e2e.test_contract import FILE
from tests.e2e.test_uploads import Managed

Newcomer = Callable[..., Caller]


@pytest.fixture
def managed(newcomer: Newcomer) -> Managed:
    return Managed(newcomer())


def pages(caller: Caller, path: str, **parameters: Any) -> list[list[dict[str, Any]]]:
    found, cursor = [], None
    while True:
        body = caller("GET", path, params={**parameters, "cursor": cursor}).json()
        assert body["success"], body
        found.append(body["result"]["files"])
        assert body["info"]["files_count"] == len(found[-1])
        cursor = body["info"]["next_cursor"]
        if cursor is None:
            return found


class TestListing:
    def test_every_file_comes_once_in_the_order_of_the_keys(self, api: Caller, stack: LocalSystem) -> None:
        found = pages(api, f"/api/collections/{stack.collection}/files/", limit=7)
        assert all(len(page) == 7 for page in found[:-1])
        names = [file["file_name"] for page in found for file in page]
        assert names == sorted(names)
        assert set(names) >= {path.name for path in (SAMPLES / "photos").glob("*.jpg")}

    def test_a_file_has_all_that_a_search_shows_of_it_and_its_state(self, api: Caller, stack: LocalSystem) -> None:
        shown = api.result("GET", f"/api/collections/{stack.collection}/files/", params={"limit": 100})["files"]
        by_name = {file["file_name"]: file for file in shown}
        (found,) = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"]
        listed = by_name[found["file_name"]]
        assert {name: listed[name] for name in FILE if name != "distance"} == {
            name: value for name, value in found.items() if name != "distance"
        }
        assert (listed["state"], listed["reason"], listed["mime_type"]) == ("indexed", None, "image/jpeg")
        assert api.result("GET", f"/api/files/{found['uuid']}/")["file"] == listed

    def test_it_neither_repeats_nor_skips_while_the_collection_changes(self, managed: Managed) -> None:
        for name in "bdfhj":
            managed.send(f"{name}.jpg", picture("igloo.jpg"))
        path = f"{managed.path}/files/"
        first = managed.caller("GET", path, params={"limit": 2}).json()
        managed.send("a.jpg", picture("igloo.jpg"))
        managed.send("g.jpg", picture("igloo.jpg"))
        files = managed.files()
        for gone in ("b.jpg", "d.jpg"):
            assert managed.caller("DELETE", f"/api/files/{files[gone]['uuid']}/").status_code == 200
        rest, cursor = [], first["info"]["next_cursor"]
        while cursor:
            body = managed.caller("GET", path, params={"limit": 2, "cursor": cursor}).json()
            rest += [file["file_name"] for file in body["result"]["files"]]
            cursor = body["info"]["next_cursor"]
        assert [file["file_name"] for file in first["result"]["files"]] == ["b.jpg", "d.jpg"]
        assert rest == ["f.jpg", "g.jpg", "h.jpg", "j.jpg"]

    def test_by_state(self, api: Caller, stack: LocalSystem, bucket: Bucket) -> None:
        path = f"/api/collections/{stack.collection}/files/"
        for name in ("x", "y", "z"):
            bucket.put(f"photos/listed-{name}.jpg", b"these are words")
        eventually(lambda: len(pages(api, path, state="failed", limit=2)) == 2)
        failed = [file for page in pages(api, path, state="failed", limit=2) for file in page]
        assert [file["file_name"] for file in failed] == ["listed-x.jpg", "listed-y.jpg", "listed-z.jpg"]
        assert {(file["reason"], file["md5"]) for file in failed} == {("not_an_image", None)}
        indexed = [file["state"] for page in pages(api, path, state="indexed", limit=100) for file in page]
        assert set(indexed) == {"indexed"}
        everything = [file["state"] for page in pages(api, path, limit=100) for file in page]
        assert sorted(everything) == sorted(["failed"] * 3 + indexed)
        assert pages(api, path, state="pending") == [[]]

    @pytest.mark.parametrize(
        ("parameter", "value"),
        [("state", "removed"), ("state", ""), ("limit", "0"), ("cursor", "x"), ("cursor", "WzEsMl0"), ("cursor", "é")],
    )
    def test_what_cannot_be_listed_names_the_parameter(
        self, api: Caller, stack: LocalSystem, parameter: str, value: str
    ) -> None:
        path = f"/api/collections/{stack.collection}/files/"
        refusal(api("GET", path, params={parameter: value}), 400, field=parameter)

    def test_a_cursor_belongs_to_its_list(self, api: Caller, stack: LocalSystem) -> None:
        path = f"/api/collections/{stack.collection}/files/"
        cursor = api("GET", path, params={"limit": 1}).json()["info"]["next_cursor"]
        refusal(api("GET", path, params={"cursor": cursor, "state": "indexed"}), 400, field="cursor")
        other = f"/api/collections/{stack.managed_collection}/files/"
        refusal(api("GET", other, params={"cursor": cursor}), 400, field="cursor")


class TestDeleting:
    def test_a_managed_file_is_gone_at_once_and_its_share_comes_back(
        self, managed: Managed, aws: Any, stack: LocalSystem
    ) -> None:
        managed.send("a.jpg", picture("owl.jpg"))
        file = managed.files()["a.jpg"]
        path = f"/api/files/{file['uuid']}/"
        assert managed.caller("DELETE", path).status_code == 200
        assert managed.found(picture("owl.jpg")) == []
        assert managed.files() == {}
        for method, gone in [
            ("GET", path),
            ("DELETE", path),
            ("GET", file["thumbnail"]),
            ("GET", file["download_url"]),
        ]:
            refusal(managed.caller(method, gone), 404)
        assert (managed.used("files"), managed.used("managed_bytes")) == (0, 0)
        listed = aws("s3").list_objects_v2(Bucket=stack.outputs["ManagedBucketName"])
        assert not [each for each in listed.get("Contents", []) if managed.uuid in each["Key"]]
        assert managed.send("a.jpg", picture("owl.jpg")).status_code == 201
        assert managed.found(picture("owl.jpg")) == ["a.jpg"]

    def test_a_file_of_a_customers_bucket_stays(self, api: Caller) -> None:
        (found,) = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"]
        refusal(api("DELETE", f"/api/files/{found['uuid']}/"), 400)
        assert api("GET", f"/api/files/{found['uuid']}/").status_code == 200


class TestSimilar:
    def test_files_come_nearest_first_without_the_file_itself(self, api: Caller) -> None:
        (owl,) = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"]
        path = f"/api/files/{owl['uuid']}/similar/"
        body = api("GET", path).json()
        assert body["info"] == {"files_count": 16, "search_type": "file", "query": owl["uuid"]}
        assert owl["uuid"] not in [file["uuid"] for file in body["result"]["files"]]
        in_pages = [file for page in pages(api, path, limit=10) for file in page]
        assert in_pages[:16] == body["result"]["files"]
        assert len({file["uuid"] for file in in_pages}) == len(in_pages)

    def test_a_file_that_is_not_there_or_not_indexed_is_not_found(self, api: Caller) -> None:
        for uuid in (MISSING, "nonsense"):
            refusal(api("GET", f"/api/files/{uuid}/similar/"), 404)


class TestRetrying:
    def test_a_file_that_failed_is_looked_at_again(
        self, api: Caller, stack: LocalSystem, bucket: Bucket, aws: Any
    ) -> None:
        path = f"/api/collections/{stack.collection}/files/"
        bucket.put("photos/retried.jpg", b"these are words")
        failed = eventually(
            lambda: [
                f for f in api.result("GET", path, params={"state": "failed"})["files"] if "retried" in f["s3_uri"]
            ]
        )[0]
        answer = api("POST", f"/api/files/{failed['uuid']}/retry/")
        assert answer.status_code == 202
        again = eventually(
            lambda: [
                f for f in api.result("GET", path, params={"state": "failed"})["files"] if "retried" in f["s3_uri"]
            ]
        )[0]
        assert again["updated_at"] > failed["updated_at"]

    def test_one_that_has_not_failed_is_left_alone(self, api: Caller) -> None:
        (found,) = api.result("GET", "/api/search/", params={"query": "owl", "limit": 1})["files"]
        answer = api("POST", f"/api/files/{found['uuid']}/retry/")
        assert refusal(answer, 409)["error"] == "not_retriable"


class TestSearching:
    def test_pages_make_up_the_whole(self, api: Caller) -> None:
        whole = api.result("GET", "/api/search/", params={"query": "an animal", "limit": 40})["files"]
        in_pages = [file for page in pages(api, "/api/search/", query="an animal", limit=13) for file in page]
        assert in_pages[:40] == whole
        assert len({file["uuid"] for file in in_pages}) == len(in_pages)

    def test_by_picture_too_in_the_query_or_in_the_form(self, api: Caller, stack: LocalSystem) -> None:
        file = {"file": picture("owl.jpg")}
        narrow: dict[str, Any] = {"limit": 3, "collection": stack.collection, "max_distance": "1.5"}
        first = api("POST", "/api/search/", params=narrow, files=file).json()
        assert api("POST", "/api/search/", data=narrow, files=file).json()["result"] == first["result"]
        narrow["cursor"] = first["info"]["next_cursor"]
        second = api("POST", "/api/search/", data=narrow, files=file).json()
        whole = api.result("POST", "/api/search/", data={**narrow, "limit": 6, "cursor": None}, files=file)["files"]
        assert first["result"]["files"] + second["result"]["files"] == whole
        refusal(api("POST", "/api/search/", data=narrow, files={"file": picture("pig.jpg")}), 400, field="cursor")

    def test_collections_that_are_named_are_searched_alone(self, managed: Managed) -> None:
        managed.send("a.jpg", picture("owl.jpg"))
        other, third = Managed(managed.caller), Managed(managed.caller)
        other.send("b.jpg", picture("owl.jpg"))
        third.send("c.jpg", picture("owl.jpg"))

        def found(*collections: str) -> list[str]:
            parameters = {"query": "owl", "collection": list(collections)}
            files = managed.caller.result("GET", "/api/search/", params=parameters)["files"]
            return sorted(file["file_name"] for file in files)

        assert found() == ["a.jpg", "b.jpg", "c.jpg"]
        assert found(other.uuid) == ["b.jpg"]
        assert found(managed.uuid, third.uuid) == ["a.jpg", "c.jpg"]

    def test_only_what_is_near_enough(self, api: Caller) -> None:
        whole = api.result("GET", "/api/search/", params={"query": "an owl", "limit": 100})["files"]
        bound = whole[4]["distance"]
        near = api.result("GET", "/api/search/", params={"query": "an owl", "max_distance": bound, "limit": 100})[
            "files"
        ]
        assert near == [file for file in whole if file["distance"] <= bound]
        assert api.result("GET", "/api/search/", params={"query": "an owl", "max_distance": 0})["files"] == []

    @pytest.mark.parametrize(
        ("parameter", "value"),
        [("max_distance", v) for v in ("-1", "2.1", "nan", "inf", "", "near", "1e0", "٠")]
        + [("cursor", v) for v in ("", "x", "é", "W10", "a" * 5000)],
    )
    def test_what_cannot_narrow_a_search_names_the_parameter(self, api: Caller, parameter: str, value: str) -> None:
        refusal(api("GET", "/api/search/", params={"query": "owl", parameter: value}), 400, field=parameter)

    def test_a_collection_that_is_not_the_accounts_is_not_found(self, stranger: Caller, stack: LocalSystem) -> None:
        for uuid in (stack.collection, MISSING, "nonsense"):
            refusal(stranger("GET", "/api/search/", params={"query": "owl", "collection": uuid}), 404)

    def test_a_cursor_belongs_to_its_question_and_its_account(self, api: Caller, managed: Managed) -> None:
        cursor = api("GET", "/api/search/", params={"query": "owl", "limit": 1}).json()["info"]["next_cursor"]
        assert api("GET", "/api/search/", params={"query": "owl", "cursor": cursor}).status_code == 200
        refusal(api("GET", "/api/search/", params={"query": "dog", "cursor": cursor}), 400, field="cursor")
        foreign = managed.caller("GET", "/api/search/", params={"query": "owl", "cursor": cursor})
        refusal(foreign, 400, field="cursor")
