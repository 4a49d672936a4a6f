"""Collections in Chromium: made, filled by dropping and choosing, changed and deleted; and a bucket connected."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from infra.local_system import LocalSystem
from tests.browser.accessibility import listen, violations, wait_until_said
from tests.browser.firefox import not_by_bidi
from tests.browser.visits import Visitor, visitor
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller, Customer

PHOTOS = SAMPLES / "photos"
# Drops files on the page, as a person does; a script may not put folders into a transfer.
DROP = """files => {
  const transfer = new DataTransfer();
  for (const { name, type, body } of files)
    transfer.items.add(new File([Uint8Array.from(atob(body), c => c.charCodeAt(0))], name, { type }));
  for (const type of ["dragenter", "dragover", "drop"])
    document.getElementById("drop").dispatchEvent(
      new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def member(stack: LocalSystem) -> Visitor:
    """A user with an account of their own."""
    return visitor(stack)


def dropped(name: str, body: bytes, kind: str = "image/jpeg") -> dict[str, str]:
    return {"name": name, "type": kind, "body": base64.b64encode(body).decode()}


def row(page: Page, name: str) -> Any:
    return page.locator("#uploads > li, #refused-rows > li").filter(has_text=name)


@not_by_bidi("no folder can be chosen")
def test_a_collection_is_made_filled_looked_at_renamed_and_deleted(
    browser: Browser, member: Visitor, tmp_path: Path
) -> None:
    with member.visit(browser, "/collections") as page:
        page.get_by_role("link", name="New collection").click()
        page.get_by_label("Name").fill("Uploads")
        page.get_by_role("button", name="Make the collection").click()
        folder = tmp_path / "kenya"
        folder.mkdir()
        (folder / "giraffes.jpg").write_bytes((PHOTOS / "giraffes.jpg").read_bytes())
        listen(page)
        page.set_input_files("#files", [PHOTOS / "owl.jpg"])
        page.set_input_files("#folder", folder)
        page.evaluate(
            DROP, [dropped("copy.jpg", (PHOTOS / "owl.jpg").read_bytes()), dropped("notes.jpg", b"no picture")]
        )
        for name in ("owl.jpg", "giraffes.jpg", "copy.jpg"):
            expect(row(page, name)).to_contain_text("Searchable")
        expect(row(page, "notes.jpg")).to_contain_text("could not be read as a picture")
        expect(row(page, "notes.jpg")).to_contain_text("10 bytes")
        wait_until_said(page, "notes.jpg: ")
        expect(row(page, "giraffes.jpg")).to_contain_text("kenya/")
        expect(page.locator("#all")).to_have_text("3 searchable")
        expect(page.locator("#refused")).to_have_text("1 not taken")
        page.set_input_files("#files", [PHOTOS / "owl.jpg"])
        expect(page.get_by_text("Already there")).to_be_visible()
        page.goto(page.url.removesuffix("/upload"))
        expect(page.locator("#files tbody tr")).to_have_count(4)
        expect(page.locator("#files tbody tr").filter(has_text="notes.jpg")).to_contain_text("Not a picture")
        expect(page.locator("#files img").first).to_be_visible()
        page.get_by_label("Name or folder").fill("kenya/")
        page.keyboard.press("Enter")
        expect(page.locator("#files tbody tr")).to_have_count(1)
        wait_until_said(page, "1 shown")
        expect(page.get_by_label("Name or folder")).to_be_focused()
        page.get_by_role("link", name="Settings").click()
        page.get_by_label("Name").fill("Photographs")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("h1")).to_have_text("Photographs")
        wait_until_said(page, "Saved")
        page.get_by_label("Type Photographs to confirm").fill("Photographs")
        page.get_by_role("button", name="Delete the collection").click()
        expect(page.locator("#toasts")).to_contain_text("deleted")
        expect(page.get_by_text("Photographs")).to_have_count(0)


def test_an_upload_is_paused_breaks_and_goes_on_when_one_says_so(browser: Browser, member: Visitor) -> None:
    held: list[Route] = []
    breaks = False

    def storage(route: Route) -> None:
        if route.request.method != "POST" or "/live/" in route.request.url:
            route.fallback()
        elif breaks:
            route.abort("connectionreset")
        else:
            held.append(route)

    with member.visit(browser, "/collections/new") as page:
        page.get_by_label("Name").fill("Interrupted")
        page.get_by_role("button", name="Make the collection").click()
        page.route("**/*", storage)
        page.set_input_files("#files", [PHOTOS / "owl.jpg"])
        expect(page.get_by_role("button", name="Pause owl.jpg")).to_be_visible()
        page.get_by_role("button", name="Pause all").click()
        expect(row(page, "owl.jpg")).to_contain_text("Paused")
        breaks = True
        page.get_by_role("button", name="Go on", exact=True).click()
        expect(page.locator("#refused-rows")).to_contain_text("The connection broke")
        page.unroute("**/*")
        page.get_by_role("button", name=re.compile("Try again.*owl.jpg")).click()
        expect(row(page, "owl.jpg")).to_contain_text("Searchable")
        expect(page.locator("#all:focus, #uploads > li a:focus")).to_have_count(1)
        expect(page.locator("#all")).to_have_text("1 searchable")


@not_by_bidi("the other window's requests cannot be answered")
def test_a_bucket_is_connected_while_the_page_looks_on_and_syncs(
    browser: Browser, member: Visitor, aws: Callable[[str], Any]
) -> None:
    customer = Customer(aws)
    bucket = customer.create_bucket(owl=(PHOTOS / "owl.jpg").read_bytes())
    with member.visit(browser, "/collections/connect") as page:
        page.get_by_label("Name").fill("Field archive")
        page.get_by_label("Bucket").fill(f"s3://{bucket}/photos")
        page.get_by_label("Region").fill("us-east-1")
        page.get_by_role("button", name="Go on").click()
        page.context.route("https://*.console.aws.amazon.com/**", lambda route: route.fulfill(body="the console"))
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Create the role in AWS").click()
        expect(opened.value.get_by_text("the console")).to_be_visible()
        assert f"param_Bucket={bucket}" in opened.value.url
        opened.value.close()
        page.get_by_text("By hand, in a shell").click()
        trust = page.get_by_role("region", name="Trust policy").inner_text()
        read = page.get_by_role("region", name="Policy", exact=True).inner_text()
        role = customer.create_role({"trust_policy": json.loads(trust), "permissions_policy": json.loads(read)})
        statements = json.loads(read)["Statement"]
        customer.set_permissions(role, {"Version": "2012-10-17", "Statement": statements[1:]})
        page.get_by_label("The role’s ARN").fill(role)
        page.get_by_role("button", name="Check", exact=True).click()
        expect(page.locator("#checks .bad")).to_have_count(1)
        expect(page.locator("#checks")).to_contain_text("We may not list the bucket")
        customer.set_permissions(role, json.loads(read))
        expect(page.locator("#checks .good")).to_have_count(5)
        page.get_by_role("button", name="Connect and sync").click()
        expect(page.locator("h1")).to_have_text("Field archive")
        expect(page.locator("#sync")).to_contain_text("Up to date")
        page.reload()
        expect(page.locator("#files tbody tr")).to_have_count(1)
        page.locator("summary").filter(has_text="Sync").click()
        page.get_by_role("button", name="Preview what a sync would do").click()
        expect(page.locator("#sync")).to_contain_text("What a sync would do now")
        page.get_by_role("link", name="Explain a key").click()
        page.get_by_label("Key of an object").fill("photos/owl.jpg")
        expect(page.locator(".htmx-added")).to_have_count(0)  # until then the browser itself would send the form
        listen(page)
        page.get_by_role("button", name="Explain").click()
        wait_until_said(page, "A search finds it.")
        expect(page.get_by_role("button", name="Explain")).to_be_focused()


@not_by_bidi("what stands in a noscript element is not shown")
def test_a_picture_is_uploaded_and_a_collection_looked_at_without_a_script(browser: Browser, member: Visitor) -> None:
    with member.visit(browser, "/collections/new", java_script_enabled=False) as page:
        page.get_by_label("Name").fill("No script")
        page.get_by_role("button", name="Make the collection").click()
        page.set_input_files("input[name=file]", PHOTOS / "pig.jpg")
        page.get_by_role("button", name="Upload", exact=True).click()
        expect(page.locator("#toasts")).to_contain_text("Uploaded")
        page.goto(page.url.removesuffix("/upload"))
        expect(page.locator("#files tbody tr")).to_have_count(1)


def test_nothing_keeps_anybody_out_of_collections(browser: Browser, stack: LocalSystem) -> None:
    caller = Caller(stack.api_url, stack.token)
    owner = visitor(stack, caller.result("GET", "/api/account/")["account"]["uuid"])
    managed = caller.create_managed_collection("مجلد " + "with a very long name " * 4)
    here, sitting = (
        f"/collections/{stack.collection}",
        "/collections/connect?name=n&bucket=b-1&folder=f&region=us-east-1",
    )
    paths = [
        *(here + tab for tab in ("?path=owl", "/explain?key=images/owl.jpg", "/settings")),
        *("/collections", "/collections/connect", f"/collections/{managed}/upload"),
        f"{sitting}&role=arn:aws:iam::111122223333:role/similarix-nobody",
    ]
    found = []
    with owner.visit(browser, paths[0], viewport={"width": 320, "height": 700}) as page:
        for path in paths:
            page.goto(stack.api_url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
            found += violations(page)
    assert caller("DELETE", f"/api/collections/{managed}/").ok
    assert found == []
