"""Webhooks of the deployed system: a receiver on this machine is told what has happened, and verifies who tells it."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.e2e.harness import Caller, Customer, error_info, eventually, picture


class Receiver(ThreadingHTTPServer):
    """Keeps the requests that it gets, with their headers, and answers ``status``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[dict[str, str], str]] = []
        self.status = 204
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hooks"

    def events(self, secret: str) -> list[dict[str, Any]]:
        """The events whose signature this secret has made; an event that came twice counts once."""
        verified = {headers["webhook-id"]: Webhook(secret).verify(body, headers) for headers, body in self.requests}
        return list(verified.values())


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        server.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(server.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        Thread(target=receiver.serve_forever, daemon=True).start()
        yield receiver
        receiver.shutdown()


def test_a_receiver_is_told_of_a_sync_and_its_files_with_a_signature_and_links_that_work(
    new_account: Callable[..., Caller], customer: Customer, receiver: Receiver
) -> None:
    caller = new_account()
    events = ["sync.completed", "file.indexed", "file.removed"]
    created = caller.result("POST", "/api/webhooks/", json={"url": receiver.url, "events": events})
    webhook, secret = created["webhook"]["id"], created["secret"]

    bucket = customer.create_bucket(owl=picture("owl.jpg"), cow=picture("cow.jpg"))
    collection = customer.connect(caller, bucket)
    caller.sync_and_wait(collection["uuid"])
    eventually(lambda: {event["type"] for event in receiver.events(secret)} >= {"sync.completed", "file.indexed"})

    told = receiver.events(secret)
    indexed = [file for event in told if event["type"] == "file.indexed" for file in event["data"]["files"]]
    assert sorted(file["path"] for file in indexed) == ["cow.jpg", "owl.jpg"]
    assert caller.result("GET", indexed[0]["url"])["file"]["uuid"] == indexed[0]["uuid"]
    (ended,) = [event["data"] for event in told if event["type"] == "sync.completed"]
    assert (ended["collection"], ended["done"], ended["status"]) == (collection["uuid"], 2, "completed")
    assert caller.result("GET", ended["url"])["status"] == "completed"

    path = f"/api/webhooks/{webhook}/deliveries/"
    eventually(lambda: not caller.result("GET", path, params={"state": "pending"})["deliveries"])
    listed = caller.result("GET", path)["deliveries"]
    assert {delivery["type"] for delivery in listed} == {"sync.completed", "file.indexed"}
    assert {delivery["answers"][-1]["status"] for delivery in listed} == {204}

    uploads = caller.create_managed_collection()
    uploaded = caller.result(
        "POST", f"/api/collections/{uploads}/upload/", files={"file": ("dam.jpg", picture("dam.jpg"))}
    )
    assert caller("DELETE", f"/api/files/{uploaded['uuid']}/").ok
    eventually(lambda: "file.removed" in {event["type"] for event in receiver.events(secret)})
    of_upload = [event["type"] for event in receiver.events(secret) if event["data"]["collection"] == uploads]
    assert sorted(of_upload) == ["file.indexed", "file.removed"]
    assert caller("DELETE", f"/api/webhooks/{webhook}/").ok


def test_a_test_is_sent_at_once_by_the_new_secret_and_the_old_one_and_its_refusal_is_shown(
    new_account: Callable[..., Caller], receiver: Receiver
) -> None:
    caller = new_account()
    new = {"url": receiver.url, "events": ["sync.failed"]}
    created = caller.result("POST", "/api/webhooks/", json=new)
    path = f"/api/webhooks/{created['webhook']['id']}/"
    rotated = caller.result("POST", f"{path}secret/")
    receiver.status = 500
    answer = caller("POST", f"{path}test/")
    assert answer.status_code == 202
    delivery = answer.headers["Location"]
    eventually(lambda: caller.result("GET", delivery)["delivery"]["attempts"] >= 1)
    for secret in (created["secret"], rotated["secret"]):
        assert receiver.events(secret)[0]["type"] == "webhook.test"
    refused = caller.result("GET", delivery)["delivery"]
    assert (refused["state"], refused["answers"][0]["status"]) == ("pending", 500)
    assert caller.result("GET", path)["webhook"]["failing_since"] is not None
    receiver.status = 204
    eventually(lambda: caller.result("GET", delivery)["delivery"]["state"] == "delivered")
    assert caller.result("GET", path)["webhook"]["failing_since"] is None
    assert caller("DELETE", path).ok
    error_info(caller("GET", path), 404)
