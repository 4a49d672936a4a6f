"""Requests that are sent again under one key, over HTTP: what they make is made once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import requests

from tests.e2e.harness import Caller, ManagedCollection, error_info, picture

NewAccount = Callable[..., Caller]
MANAGED = {"type": "managed", "name": "n"}


def test_ten_equal_requests_at_once_make_one_collection(new_account: NewAccount) -> None:
    caller, headers = new_account(), {"Idempotency-Key": str(uuid4())}

    def create(_: int) -> requests.Response:
        """Sends the request as a client does that retries while the first one is in progress."""
        while True:
            response = caller("POST", "/api/collections/", json=MANAGED, headers=headers)
            if response.status_code != 409:
                return response
            assert error_info(response, 409, field="Idempotency-Key")["error"] == "idempotency_key_in_use"
            time.sleep(0.2)

    with ThreadPoolExecutor(5) as pool:
        responses = list(pool.map(create, range(10)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.text for response in responses}) == 1
    assert len({response.headers["Location"] for response in responses}) == 1
    assert sorted(response.headers.get("Idempotent-Replayed", "") for response in responses) == ["", *["true"] * 9]
    (collection,) = caller.result("GET", "/api/collections/")["collections"]
    assert collection["uuid"] == responses[0].json()["result"]["collection"]["uuid"]

    other = caller("POST", "/api/collections/", json={**MANAGED, "name": "another"}, headers=headers)
    assert error_info(other, 422, field="Idempotency-Key")["error"] == "idempotency_key_reused"


def test_an_upload_that_is_sent_again_is_one_upload_and_a_token_has_its_secret_again(new_account: NewAccount) -> None:
    managed = ManagedCollection(new_account())
    key = {"Idempotency-Key": str(uuid4())}
    first, again = (managed.upload("owl.jpg", picture("owl.jpg"), **key) for _ in range(2))
    assert (first.status_code, first.text) == (again.status_code, again.text)
    assert managed.caller.usage()["uploads_a_month"] == 1

    new = {"name": "n", "scope": "read"}
    one, two = (managed.caller("POST", "/api/tokens/", json=new, headers=key) for _ in range(2))
    assert one.json()["result"] == two.json()["result"]
    made = Caller(managed.caller.base_url, two.json()["result"]["secret"])
    assert made("GET", "/api/account/").status_code == 200
    assert len(managed.caller.result("GET", "/api/tokens/")["tokens"]) == 2
