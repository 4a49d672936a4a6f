"""Connecting a bucket: four steps in one sitting, of which nothing is stored before the bucket can be read."""

import html
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from chalicelib.dashboard.texts import text
from chalicelib.domain.bucket_stacks import stack_name
from chalicelib.domain.collections import AutoSync, SyncStatus
from tests.factories import a_collection
from tests.fakes.application import CONFIG, FakeAdapters
from tests.fakes.pages import FakeBrowser, FakeDashboard
from tests.unit.dashboard.picture_world import links, tags

ROLE = "arn:aws:iam::111122223333:role/similarix-reader"
STACK = "/collections/connect/stack?"
SITTING = {"name": "Field archive", "bucket": "a-bucket", "folder": "field", "region": "eu-west-1"}


@pytest.fixture
def browser(dashboard: FakeDashboard, adapters: FakeAdapters) -> FakeBrowser:
    adapters.sources.bucket("a-bucket").put("field/owl.jpg", b"picture")
    return dashboard.signed_in(plan="business")


def address(**more: str) -> str:
    return f"/collections/connect?{urlencode({**SITTING, **more})}"


def states(body: str) -> list[str]:
    return re.findall(r'<li><span class="(good|bad|wait|warn)">', body)


def test_the_first_step_asks_for_name_bucket_folder_and_region(browser: FakeBrowser) -> None:
    page = browser.get("/collections/connect").body

    assert f'value="{CONFIG.aws_region}"' in page
    for name in SITTING:
        assert f'name="{name}"' in page


@pytest.mark.parametrize(("field", "value"), [("bucket", "My Bucket"), ("region", "Europe"), ("name", "")])
def test_a_field_that_cannot_be_so_is_named_and_the_others_stay(browser: FakeBrowser, field: str, value: str) -> None:
    answer = browser.get(address(**{field: value}))

    assert answer.status == 400
    assert f'id="{field}-h"' in answer.body
    assert 'class="wrong"' in answer.body
    assert 'value="field"' in answer.body


def test_a_bucket_may_be_written_with_its_folder(browser: FakeBrowser) -> None:
    page = browser.get(address(bucket="s3://a-bucket/field/2024", folder="")).body

    assert "s3://a-bucket/field/2024/" in page


def test_the_second_step_has_the_role_by_one_click_as_a_template_and_by_hand(browser: FakeBrowser) -> None:
    answer = browser.get(address())
    page = html.unescape(answer.body)

    assert '"sts:ExternalId"' in page
    assert '"s3:GetObject"' in page
    assert '"QueueConfigurations"' in page
    assert "aws cloudformation deploy" in page
    assert states(page) == ["wait"] * 5
    assert "every 5s" not in page, "nothing is looked at before a role is named"
    assert "form-action 'self';" in answer.headers["content-security-policy"]
    template = browser.get("/collections/connect/template")
    assert "AWS::IAM::Role" in template.body
    assert "attachment" in template.headers["content-disposition"]


def test_the_one_click_is_a_link_because_a_form_may_not_be_redirected_to_the_console(browser: FakeBrowser) -> None:
    page = browser.get(address()).body
    with_events, without = links(page, STACK)

    for link in (with_events, without):
        assert browser.get(link).status == 303
    assert ("notify=on" in with_events, "notify=on" in without) == (True, False)
    elements = [each for each in tags(page, "a") if STACK in (each["href"] or "")]
    assert {(each["target"], each["rel"]) for each in elements} == {("_blank", "noopener noreferrer")}
    assert not [form for form in tags(page, "form") if "/collections/connect/stack" in (form["action"] or "")]


@pytest.mark.parametrize("notify", ["on", ""])
def test_one_click_leads_to_the_console_with_everything_filled_in(browser: FakeBrowser, notify: str) -> None:
    answer = browser.get(f"/collections/connect/stack?{urlencode({**SITTING, 'notify': notify})}")

    link = urlsplit(answer.headers["location"])
    assert (answer.status, link.netloc) == (303, "eu-west-1.console.aws.amazon.com")
    fields = parse_qs(link.fragment.partition("?")[2])
    assert fields["param_Bucket"] == ["a-bucket"]
    assert fields["param_Folder"] == ["field/"]
    assert ("param_EventsQueue" in fields) is bool(notify)


def test_a_bucket_elsewhere_is_connected_without_events(browser: FakeBrowser) -> None:
    page = browser.get(address(region="us-east-1")).body

    assert text("connect.no_notify") in html.unescape(page)
    assert len(links(page, STACK)) == 1
    assert "notify=on" not in page


def test_the_checks_turn_good_from_above_while_the_page_looks(browser: FakeBrowser, adapters: FakeAdapters) -> None:
    bucket = adapters.sources.bucket("a-bucket")
    adapters.access_checker.open_roles.add(ROLE)
    open_role = browser.get(address(role=ROLE)).body
    assert states(open_role) == ["good", "bad", "wait", "wait", "wait"]
    assert 'hx-trigger="every 5s"' in open_role
    adapters.access_checker.open_roles.clear()
    bucket.unlisted = True
    unlisted = browser.get(address(role=ROLE)).body
    assert states(unlisted) == ["good", "good", "good", "bad", "wait"]
    assert "s3:ListBucket" in unlisted
    looked = re.search(r'hx-get="/live([^"]+)"', unlisted)
    assert looked is not None
    again = browser.get(html.unescape(looked[1]), {"hx-request": "true"}).body
    assert "checks-said" not in again, "what has not changed is not said again"
    bucket.unlisted = False
    ready = browser.get(html.unescape(looked[1]), {"hx-request": "true"}).body
    assert 'id="checks-said"' in ready
    assert states(ready) == ["good"] * 5
    assert "<html" not in ready
    assert "every 5s" not in ready
    assert 'hx-swap-oob="true"' in ready
    assert text("connect.connect") in ready


def test_the_page_gives_up_looking_after_ten_minutes(browser: FakeBrowser, adapters: FakeAdapters) -> None:
    adapters.sources.bucket("a-bucket").unlisted = True

    assert "every 5s" in browser.get(address(role=ROLE, tries="119")).body
    last = browser.get(address(role=ROLE, tries="120")).body
    assert "every 5s" not in last
    assert text("connect.check_again") in last
    assert browser.get(address(role=ROLE, tries="x")).status == 200


def test_what_the_owner_should_know_stands_below_the_checks(browser: FakeBrowser, adapters: FakeAdapters) -> None:
    bucket = adapters.sources.bucket("a-bucket")
    bucket.put("field/old.jpg", b"picture")
    bucket.archived.add("field/old.jpg")

    assert states(browser.get(address(role=ROLE)).body) == ["good"] * 5 + ["warn"]


def test_an_accounts_number_is_enough_and_nonsense_is_refused_where_it_was_typed(
    browser: FakeBrowser, adapters: FakeAdapters
) -> None:
    browser.get(address(role="1111-2222-3333"))
    checked = adapters.access_checker.checked[-1]
    assert checked.role_arn == f"arn:aws:iam::111122223333:role/{stack_name(checked)}"
    page = browser.get(address(role="me"))
    assert 'id="arn-h"' in page.body
    assert 'class="wrong"' in page.body


def test_a_bucket_that_can_be_read_is_connected_and_synced(browser: FakeBrowser, adapters: FakeAdapters) -> None:
    answer = browser.post("/collections/connect", {**SITTING, "role": ROLE})

    assert browser.account is not None
    (made,) = adapters.collections.of_account(browser.account.uuid)
    assert answer.location == f"/collections/{made.uuid}"
    assert (made.name, made.bucket, made.prefix, made.role_arn) == ("Field archive", "a-bucket", "field/", ROLE)
    assert (made.auto_sync, made.sync.status) == (AutoSync.DAILY, SyncStatus.IN_PROGRESS)
    assert text("connect.connected") in browser.get(answer.location).body


def test_what_cannot_be_connected_is_said_and_nothing_is_made(browser: FakeBrowser, adapters: FakeAdapters) -> None:
    assert browser.account is not None
    adapters.sources.bucket("a-bucket").unlisted = True
    refused = browser.post("/collections/connect", {**SITTING, "role": ROLE})
    assert refused.status == 400
    assert "may not be listed" in refused.body
    adapters.sources.bucket("a-bucket").unlisted = False
    assert browser.post("/collections/connect", {**SITTING, "role": "me"}).status == 400
    assert adapters.collections.of_account(browser.account.uuid) == []
    adapters.collections.add(a_collection(account=browser.account.uuid, bucket="a-bucket", prefix="field/"))
    assert browser.post("/collections/connect", {**SITTING, "role": ROLE}).status == 409


def test_a_free_plan_connects_a_bucket_that_is_synced_by_hand(dashboard: FakeDashboard, adapters: FakeAdapters) -> None:
    adapters.sources.bucket("a-bucket").put("field/owl.jpg", b"picture")
    browser = dashboard.signed_in("Free", plan="free")
    browser.post("/collections/connect", {**SITTING, "role": ROLE})

    assert browser.account is not None
    (made,) = adapters.collections.of_account(browser.account.uuid)
    assert made.auto_sync is AutoSync.MANUAL


def test_hostile_texts_of_a_sitting_are_only_text(browser: FakeBrowser) -> None:
    for name in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "مجلد", "{{ 7 * 7 }}"):
        for page in (browser.get(address(name=name)).body, browser.get(address(name=name, bucket="B")).body):
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert name in html.unescape(page)
        assert "<script>alert" not in browser.get(address(folder=name)).body
