"""The walk: each step does what a customer does, and looks at what a customer sees."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import requests
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import SimilarixError
from infra.acceptance.customer import Customer
from infra.acceptance.dashboard import Visitor
from infra.cloudformation import Report
from infra.seed import Api

SAMPLES = Path(__file__).parents[2] / "samples" / "photos"
OWL, PANDA, PYRAMID = "owl.jpg", "giant-panda.jpg", "pyramid.jpg"
EXACT = 1e-3  # the greatest distance of a picture from itself: stores round vectors
REQUEST_SECONDS = 60
PAUSE_SECONDS = 0.5
UNKNOWN_TOKEN = "smx_" + "a" * 43
ERRORS = (RuntimeError, SimilarixError, requests.RequestException, BotoCoreError, ClientError)

Value = TypeVar("Value")
Steps = Iterator[tuple[str, Callable[[], None]]]


class StepFailed(RuntimeError):
    """The system did something else than it should; the message says what."""


class Walk:
    """Args:
    customer: whose bucket is connected; None leaves these steps out.
    visitor: who signs in to the dashboard; None leaves these steps out.
    patience: seconds that the system may take until it has done what it accepted to do.
    """

    def __init__(
        self,
        url: str,
        token: str,
        customer: Customer | None,
        report: Report,
        visitor: Visitor | None = None,
        patience: float = 180,
    ) -> None:
        self._url, self._token, self._customer, self._report = url.rstrip("/"), token, customer, report
        self._visitor = visitor
        self._api = Api(self._url, token)
        self._patience = patience
        self._leftovers = ExitStack()
        self._left: list[str] = []
        self._managed = self._connected = ""

    def run(self) -> bool:
        """Take the steps until one fails, and clean up, also when interrupted; returns whether all went well."""
        with self._leftovers:
            passed = all(self._passes(name, step) for name, step in self._steps())
        return passed and not self._left

    def _passes(self, name: str, step: Callable[[], None]) -> bool:
        started = time.monotonic()
        try:
            step()
        except ERRORS as error:
            self._report(f"FAILED  {name}: {error}")
            return False
        self._report(f"ok      {name} ({time.monotonic() - started:.1f} s)")
        return True

    def _steps(self) -> Steps:
        yield "the token is accepted, and an unknown one is refused", self._authenticate
        yield "create a managed collection", self._create_managed
        yield "upload in one step", self._upload
        yield "upload in two steps, past the API", self._upload_in_two_steps
        yield "search by text", lambda: self._search_by_text("a giant panda", PANDA, self._managed)
        yield "search by picture", lambda: self._search_by_picture(OWL, self._managed)
        yield "thumbnail and download", self._download
        yield "sync the managed collection", lambda: self._sync(self._managed, 2)
        if self._customer is not None:
            customer = self._customer
            yield "connect a bucket", lambda: self._connect(customer)
            yield "sync the bucket", lambda: self._sync(self._connected, 1)
            yield "search the bucket by picture", lambda: self._search_by_picture(PYRAMID, self._connected)
            if customer.sends_events:
                yield "see an object that arrives", lambda: self._see_arrival(customer)
                yield "see an object that goes", lambda: self._see_departure(customer)
        if self._visitor is not None:
            yield "sign in to the dashboard", self._visitor.sign_in
            yield "sign out of the dashboard", self._visitor.sign_out
        yield "delete a file", self._delete_file
        yield "delete the collections", self._delete_collections

    def _authenticate(self) -> None:
        self._api.call("GET", "/account/")
        refused = self._get("/api/account/", UNKNOWN_TOKEN)
        _expect(refused.status_code == 403, f"an unknown token got {refused.status_code} instead of 403")

    def _create_managed(self) -> None:
        payload = {"type": "managed", "name": "Acceptance"}
        self._managed = self._new_collection(payload)

    def _upload(self) -> None:
        path = f"/collections/{self._managed}/upload/"
        result = self._api.call("POST", path, files={"file": (PANDA, picture(PANDA))})
        _expect(result["file"] == PANDA, f"the uploaded file is called {result['file']}")

    def _upload_in_two_steps(self) -> None:
        body, path = picture(OWL), f"/collections/{self._managed}/uploads/"
        announced = {"path": OWL, "size": len(body), "mime_type": "image/jpeg"}
        prepared = self._api.call("POST", path, json=announced)
        form = prepared["form"]
        sent = requests.post(form["url"], data=form["fields"], files={"file": body}, timeout=REQUEST_SECONDS)
        _expect(sent.ok, f"S3 refused the picture with {sent.status_code}: {sent.text[:200]}")
        self._api.call("POST", f"{path}{prepared['upload']['id']}/complete/")

    def _search_by_text(self, query: str, expected: str, collection: str) -> None:
        result = self._api.call("GET", "/search/", params={"query": query, "collection": collection})
        names = [file["file_name"] for file in result["files"]]
        _expect(names[:1] == [expected], f"{query!r} found {names} instead of {expected}")

    def _search_by_picture(self, name: str, collection: str) -> None:
        _expect(self._nearest(name, collection) == name, f"a search by {name} did not find it")

    def _download(self) -> None:
        result = self._api.call("GET", "/search/", params={"query": "an owl", "collection": self._managed})
        file = next(file for file in result["files"] if file["file_name"] == OWL)
        thumbnail, original = self._get(file["thumbnail"]), self._get(file["download_url"])
        _expect(thumbnail.ok and bool(thumbnail.content), f"the thumbnail got {thumbnail.status_code}")
        _expect(original.ok, f"the download got {original.status_code}")
        _expect(original.content == picture(OWL), "the download has other bytes than the upload")

    def _sync(self, collection: str, files: int) -> None:
        path = f"/collections/{collection}"
        self._api.call("POST", f"{path}/sync/")
        status = self._eventually(
            lambda: self._api.call("GET", f"{path}/sync-status/")["status"],
            lambda status: status not in ("pending", "in_progress"),
        )
        _expect(status == "completed", f"the sync ended as {status}")
        counted = self._api.call("GET", f"{path}/")["collection"]["stats"]["total_files"]
        _expect(counted == files, f"the collection has {counted} files instead of {files}")

    def _connect(self, customer: Customer) -> None:
        source = customer.source
        customer.put(PYRAMID, picture(PYRAMID), self._undo)
        policies = self._api.call("POST", "/collections/check/", json=source)
        source["role_arn"] = customer.create_role(policies, self._undo)
        # AWS takes some seconds to know a new role everywhere.
        self._eventually(
            lambda: self._api.call("POST", "/collections/check/", json=source), lambda check: bool(check["readable"])
        )
        self._connected = self._new_collection({**source, "type": "s3", "name": "Acceptance of a bucket"})

    def _see_arrival(self, customer: Customer) -> None:
        customer.send_events(self._undo)
        customer.put(PANDA, picture(PANDA), self._undo)
        self._eventually(lambda: self._nearest(PANDA, self._connected), lambda name: name == PANDA)

    def _see_departure(self, customer: Customer) -> None:
        customer.delete(PANDA)
        self._eventually(lambda: self._nearest(PANDA, self._connected), lambda name: name is None)

    def _delete_file(self) -> None:
        files = self._api.call("GET", f"/collections/{self._managed}/files/")["files"]
        (uuid,) = [file["uuid"] for file in files if file["file_name"] == OWL]
        self._api.call("DELETE", f"/files/{uuid}/")
        self._eventually(lambda: self._nearest(OWL, self._managed), lambda name: name is None)

    def _delete_collections(self) -> None:
        for collection in filter(None, (self._managed, self._connected)):
            self._api.call("DELETE", f"/collections/{collection}/")
            status = self._get(f"/api/collections/{collection}/").status_code
            _expect(status == 404, f"a deleted collection got {status} instead of 404")

    def _new_collection(self, payload: dict[str, Any]) -> str:
        uuid = str(self._api.call("POST", "/collections/", json=payload)["collection"]["uuid"])
        self._undo(f"the collection {uuid}", lambda: self._delete_if_there(uuid))
        return uuid

    def _delete_if_there(self, collection: str) -> None:
        if self._get(f"/api/collections/{collection}/").status_code != 404:
            self._api.call("DELETE", f"/collections/{collection}/")

    def _nearest(self, name: str, collection: str) -> str | None:
        """The file of the collection that is this picture, or None."""
        params = {"collection": collection, "max_distance": str(EXACT)}
        result = self._api.call("POST", "/search/", params=params, files={"file": picture(name)})
        return next((file["file_name"] for file in result["files"]), None)

    def _get(self, path: str, token: str | None = None) -> requests.Response:
        """The response to a GET of a path or a URL; it follows redirects, the token stays with the API's host."""
        url = path if path.startswith("http") else self._url + path
        return requests.get(url, headers={"Authorization": f"Token {token or self._token}"}, timeout=REQUEST_SECONDS)

    def _eventually(self, look: Callable[[], Value], is_done: Callable[[Value], bool]) -> Value:
        deadline = time.monotonic() + self._patience
        while not is_done(seen := look()):
            _expect(time.monotonic() < deadline, f"after {self._patience:.0f} s there was still: {str(seen)[:300]}")
            time.sleep(PAUSE_SECONDS)
        return seen

    def _undo(self, what: str, undo: Callable[[], object]) -> None:
        """Note what is to be deleted at the end, in the reverse order of its creation."""

        def delete() -> None:
            try:
                undo()
            except ERRORS as error:
                self._left.append(what)
                self._report(f"LEFT    {what}: {error}")

        self._leftovers.callback(delete)


def picture(name: str) -> bytes:
    """The bytes of a sample."""
    return (SAMPLES / name).read_bytes()


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StepFailed(otherwise)
