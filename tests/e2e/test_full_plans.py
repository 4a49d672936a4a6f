"""A bucket that holds more than its account's plan allows, over HTTP."""

from collections.abc import Callable

from chalicelib.domain.accounts import Subscription
from infra.admin.deployment import Deployment
from tests.e2e.conftest import Caller, Customer, eventually, picture
from tests.e2e.test_bad_input import refusal
from tests.e2e.test_collections import connect

NAMES = ("hammer", "koala", "owl", "pig")


def used(caller: Caller) -> tuple[int, int]:
    allowances = caller.result("GET", "/api/account/")["account"]["allowances"]
    return allowances["files"]["used"], allowances["bytes"]["used"]


def test_what_the_plan_has_no_room_for_is_listed_and_indexed_once_there_is_some(
    newcomer: Callable[..., Caller], customer: Customer, deployment: Deployment
) -> None:
    caller = newcomer(files=2)
    bucket = customer.make_bucket(**{name: picture(f"{name}.jpg") for name in NAMES})
    path = f"/api/collections/{connect(caller, customer, bucket)['uuid']}"

    def sync() -> None:
        assert caller("POST", f"{path}/sync/").status_code == 202
        eventually(lambda: caller.result("GET", f"{path}/sync-status/")["status"] == "completed")

    sync()
    found = caller.names_found("an animal")
    assert len(found) == 2
    assert used(caller) == (2, sum(len(picture(name)) for name in found))
    refused = caller.result("GET", f"{path}/files/", params={"state": "failed"})["files"]
    assert {file["reason"] for file in refused} == {"over_plan"}
    assert {file["file_name"] for file in refused} | set(found) == {f"{name}.jpg" for name in NAMES}
    assert "2 files" in refused[0]["detail"]
    managed = caller.result("POST", "/api/collections/", json={"type": "managed", "name": "n"})["collection"]["uuid"]
    upload = caller("POST", f"/api/collections/{managed}/upload/", files={"file": ("o.jpg", picture("owl.jpg"))})
    assert refusal(upload, 429)["error"] == "quota_exceeded"

    sync()
    assert len(caller.names_found("an animal")) == 2
    account = caller.result("GET", "/api/account/")["account"]["uuid"]
    deployment.services.accounts.set_subscription(account, Subscription("business", {"files": 4}))
    sync()
    assert len(caller.names_found("an animal")) == 4
    assert used(caller) == (4, sum(len(picture(f"{name}.jpg")) for name in NAMES))

    assert caller("DELETE", f"{path}/").status_code == 202
    assert used(caller) == (0, 0)
