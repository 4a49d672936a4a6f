"""A web page of another origin calls the API, and sends a form to the managed bucket."""

import pytest
import requests

from tests.e2e.harness import Caller, ManagedCollection, picture

PAGE = {"Origin": "https://shop.example"}
PREFLIGHT = {**PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.mark.parametrize("path", ["/api/search/", "/api/collections/", "/api/no-such-path/"])
def test_a_browser_may_send_a_token_to_any_path(anonymous: Caller, path: str) -> None:
    answer = anonymous("OPTIONS", path, headers=PREFLIGHT)
    assert answer.ok
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


def test_a_page_reads_results_and_refusals(api: Caller, anonymous: Caller) -> None:
    for caller, status in ((api, 200), (anonymous, 403)):
        answer = caller("GET", "/api/search/", params={"query": "owl"}, headers=PAGE)
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, "*")


def test_a_page_uploads_by_a_form(managed: ManagedCollection) -> None:
    body = picture("owl.jpg")
    prepared = managed.prepare("a.jpg", len(body)).json()["result"]
    form = prepared["form"]
    preflight = requests.options(form["url"], headers=PREFLIGHT, timeout=60)
    assert preflight.headers["Access-Control-Allow-Origin"] in ("*", PAGE["Origin"])
    sent = requests.post(form["url"], data=form["fields"], files={"file": ("a.jpg", body)}, headers=PAGE, timeout=60)
    assert sent.ok
    assert sent.headers["Access-Control-Allow-Origin"] in ("*", PAGE["Origin"])
    assert managed.complete(prepared["upload"]["id"]).status_code == 201


def test_head_has_what_get_has_but_the_body(api: Caller) -> None:
    shown, headed = (api(method, "/api/collections/") for method in ("GET", "HEAD"))
    assert (headed.status_code, headed.content) == (shown.status_code, b"")
    assert headed.headers["Content-Type"] == shown.headers["Content-Type"]
