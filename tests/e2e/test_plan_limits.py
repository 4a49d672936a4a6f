"""A bucket with more files than its account's plan allows, over HTTP."""

from collections.abc import Callable

from chalicelib.domain.accounts import Subscription
from infra.admin.deployment import Deployment
from tests.e2e.harness import Caller, Customer, ManagedCollection, error_info, picture

NAMES = ("hammer", "koala", "owl", "pig")


def used(caller: Caller) -> tuple[int, int]:
    """Files and bytes."""
    usage = caller.usage()
    return usage["files"], usage["bytes"]


def test_files_over_the_plans_limit_are_listed_as_failed_and_indexed_once_the_limit_is_raised(
    new_account: Callable[..., Caller], customer: Customer, deployment: Deployment
) -> None:
    caller = new_account(files=2)
    bucket = customer.create_bucket(**{name: picture(f"{name}.jpg") for name in NAMES})
    collection = customer.connect(caller, bucket)["uuid"]
    path = f"/api/collections/{collection}"

    caller.sync_and_wait(collection)
    indexed = caller.search_names("an animal")
    assert len(indexed) == 2
    assert used(caller) == (2, sum(len(picture(name)) for name in indexed))
    failed = caller.result("GET", f"{path}/files/", params={"state": "failed"})["files"]
    assert {file["reason"] for file in failed} == {"over_plan"}
    assert {file["file_name"] for file in failed} | set(indexed) == {f"{name}.jpg" for name in NAMES}
    assert "2 files" in failed[0]["detail"]
    upload = ManagedCollection(caller).upload("o.jpg", picture("owl.jpg"))
    assert error_info(upload, 403)["error"] == "quota_exceeded"

    caller.sync_and_wait(collection)
    assert len(caller.search_names("an animal")) == 2
    account = caller.result("GET", "/api/account/")["account"]["uuid"]
    deployment.services.accounts.set_subscription(account, Subscription("business", {"files": 4}))
    caller.sync_and_wait(collection)
    assert len(caller.search_names("an animal")) == 4
    assert used(caller) == (4, sum(len(picture(f"{name}.jpg")) for name in NAMES))

    assert caller("DELETE", f"{path}/").status_code == 202
    assert used(caller) == (0, 0)
