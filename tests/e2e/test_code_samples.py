"""The samples of the documentation's page run as they stand, on one account for each language.

Only the identifiers of the examples are replaced, by those of resources of the account.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from chalicelib.api.openapi.builders import (
    COLLECTION_ID,
    DELIVERY_ID,
    FILE_ID,
    SEARCH_UPLOAD_ID,
    TOKEN_ID,
    UPLOAD_ID,
    WEBHOOK_ID,
)
from chalicelib.api.openapi.code_samples import PREPARATIONS, code_samples
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller, ManagedCollection, picture

# What the present state refuses: there is no sync in a managed collection, nothing has failed, the server of the
# example is nowhere, and so a delivery to it is still under way.
REFUSED = {"fetchPicture": 400, "cancelSync": 409, "retryFile": 409, "cancelUpload": 409, "replayDelivery": 409}
# In this order, last.
DELETIONS = ("deleteWebhook", "deleteFile", "deleteFiles", "revokeToken", "deleteCollection", "deleteAccount")


def account_of_samples(caller: Caller) -> dict[str, str]:
    """What the account has, by the identifiers of the examples."""
    managed = ManagedCollection(caller)
    uploaded = managed.upload("owl.jpg", picture("owl.jpg")).json()["result"]
    body = picture("cow.jpg")
    prepared = managed.prepare("cow.jpg", len(body)).json()["result"]
    form = prepared["form"]
    assert requests.post(form["url"], data=form["fields"], files={"file": body}, timeout=60).ok
    announced = {"size": len(body), "mime_type": "image/jpeg"}
    to_search_by = caller.result("POST", "/api/search/uploads/", json=announced)
    token = caller.result("POST", "/api/tokens/", json={"name": "n", "scope": "search"})["token"]
    endpoint = {"url": "https://hooks.example.com/similarix", "events": ["sync.completed"]}
    webhook = caller.result("POST", "/api/webhooks/", json=endpoint)["webhook"]
    delivery = caller.result("POST", f"/api/webhooks/{webhook['id']}/test/")["delivery"]
    return {
        COLLECTION_ID: managed.uuid,
        FILE_ID: uploaded["uuid"],
        UPLOAD_ID: prepared["upload"]["id"],
        SEARCH_UPLOAD_ID: to_search_by["upload"]["id"],
        TOKEN_ID: token["id"],
        WEBHOOK_ID: webhook["id"],
        DELIVERY_ID: delivery["id"],
    }


def samples(caller: Caller, language: str) -> dict[str, str]:
    """The samples of a language by operation, in an order in which each finds what it needs."""
    identifiers = account_of_samples(caller)
    account = caller.result("GET", "/api/account/")["account"]["uuid"]
    paths: dict[str, dict[str, Any]] = caller("GET", "/api/openapi.json").json()["paths"]
    found = {}
    for path, methods in paths.items():
        for method, operation in methods.items():
            code = code_samples(path, method, operation)[language]
            if operation["operationId"] == "deleteAccount":
                code = code.replace(COLLECTION_ID, account)
            for example, own in identifiers.items():
                code = code.replace(example, own)
            found[operation["operationId"]] = code
    return {name: found[name] for name in [*(name for name in found if name not in DELETIONS), *DELETIONS]}


def prepared(language: str, caller: Caller) -> str:
    assert caller.token is not None
    return (
        PREPARATIONS[language]
        .replace("https://similarix.com", caller.base_url)
        .replace("your_token_here", caller.token)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the samples run; it has the picture that they send."""
    shutil.copy(SAMPLES / "photos" / "owl.jpg", tmp_path)
    return tmp_path


def check(statuses: dict[str, int], folder: Path) -> None:
    for name, status in statuses.items():
        assert status == REFUSED.get(name, status), name
        assert name in REFUSED or 200 <= status < 300, (name, status)
    for saved in ("picture.jpg", "thumbnail.jpg"):
        assert (folder / saved).read_bytes().startswith(b"\xff\xd8"), saved


def test_every_line_of_curl_runs(new_account: Callable[..., Caller], folder: Path) -> None:
    caller = new_account()
    show_status = "curl() { command curl --silent --write-out '\\n%{http_code}' \"$@\"; }"
    statuses = {}
    for name, code in samples(caller, "curl").items():
        script = "\n".join([prepared("curl", caller), show_status, code])
        run = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
        statuses[name] = int(run.stdout.split()[-1])
    check(statuses, folder)


def test_every_sample_in_python_runs(
    new_account: Callable[..., Caller], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = new_account()
    monkeypatch.chdir(folder)
    statuses = {}
    for name, code in samples(caller, "Python").items():
        scope: dict[str, Any] = {}
        try:
            exec(f"{prepared('Python', caller)}\n{code}", scope)
        except requests.HTTPError:
            assert name in REFUSED, scope["response"].text
        statuses[name] = scope["response"].status_code
    check(statuses, folder)
