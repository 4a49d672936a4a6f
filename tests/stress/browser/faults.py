"""A slow network and a failing server, played on the search, an upload and the list of collections."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from playwright.sync_api import Browser, Error, Page, Route, expect

from chalicelib.domain.collections import Trigger
from infra.local_system import LocalSystem
from tests.bench.figures import figure
from tests.browser.visits import Visitor
from tests.stress.browser.accounts import PHOTOS, Accounts
from tests.stress.browser.places import MANY, WAITING
from tests.stress.browser.views import Findings

# What Chrome's tools call "Slow 4G":
# https://github.com/ChromeDevTools/devtools-frontend/blob/main/front_end/core/sdk/NetworkManager.ts
SLOW = {"offline": False, "latency": 562.5, "downloadThroughput": 188_743, "uploadThroughput": 86_400}
# Layout shift that counts as good: https://web.dev/articles/cls
SHIFT_LIMIT = 0.1
RESULTS = "/?query=an+animal&cutoff=off&fold=off"
SHIFTS = """() => { window.shift = 0; new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true }) }"""
# What API Gateway answers where the function does not: it is nothing for a reader.
RAW = '{"message": "Service Unavailable"}'
Failure = Callable[[Route], None]


def unavailable(route: Route) -> None:
    route.fulfill(status=503, content_type="application/json", body=RAW)


def timed_out(route: Route) -> None:
    route.fulfill(status=504, content_type="application/json", body='{"message": "Endpoint request timed out"}')


def lost(route: Route) -> None:
    route.abort("connectionreset")


FAILURES = {"503": unavailable, "504": timed_out, "lost": lost}


class Faults:
    """Plays each fault; what a person would see wrong goes to ``findings``."""

    def __init__(self, browser: Browser, stack: LocalSystem, accounts: Accounts, folder: Path, seen: Findings) -> None:
        self._browser, self._stack, self._accounts, self._folder, self._seen = browser, stack, accounts, folder, seen
        self.played = 0

    def play(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._step("slow search", self._slow_search)
        self._step("slow collections", self._slow_collections)
        self._step("slow upload", self._slow_upload)
        for name, failure in FAILURES.items():
            self._step(f"search, {name}", lambda failure=failure: self._failing_search(failure))
            self._step(f"collections, {name}", lambda failure=failure: self._failing_collections(failure))
            self._step(f"poll, {name}", lambda failure=failure: self._failing_poll(failure))
            self._step(f"upload, {name}", lambda failure=failure: self._failing_upload(failure))

    def _step(self, name: str, step: Callable[[], None]) -> None:
        self.played += 1
        self._name = name
        try:
            step()
        except (AssertionError, Error) as error:
            line = traceback.extract_tb(error.__traceback__)[-1].line
            self._seen.add("fault", name, " ".join((str(error) or str(line)).split())[:600])

    @contextmanager
    def _page(self, person: str, path: str, *, slow: bool = False) -> Iterator[Page]:
        visitor: Visitor = self._accounts.visitors[person]
        with visitor.visit(self._browser, path, reduced_motion="reduce") as page:
            page.set_default_timeout(30_000)
            if slow:
                session = page.context.new_cdp_session(page)
                session.send("Network.enable")
                session.send("Network.emulateNetworkConditions", SLOW)
            yield page
            self._keep(page)

    def _keep(self, page: Page, stage: str = "") -> None:
        # To hide the caret, Playwright leaves an empty style on the field; htmx copies it, which the policy refuses.
        target = self._folder / f"{self._name.replace(', ', '-').replace(' ', '-')}{stage}.png"
        page.screenshot(path=target, caret="initial")

    def _slow_search(self) -> None:
        with self._page(MANY, RESULTS, slow=True) as page:
            page.evaluate(SHIFTS)
            page.locator("#words").fill("a bird by the water")
            started = perf_counter()
            page.keyboard.press("Enter")
            expect(page.locator("#grid .skeleton").first).to_be_visible()
            self._keep(page, "-waiting")
            expect(page.locator("#terms .chip")).to_have_count(2)
            page.locator("#grid .tile img").first.evaluate("image => image.decode()")
            figure("browser_slow_search_s", perf_counter() - started, "s")
            shift = page.evaluate("window.shift")
            figure("browser_slow_search_shift", shift, "")
            assert shift < SHIFT_LIMIT, f"the page shifts by {shift:.2f}"

    def _slow_collections(self) -> None:
        with self._page(MANY, "/account", slow=True) as page:
            page.evaluate(SHIFTS)
            started = perf_counter()
            page.goto(self._stack.api_url + "/collections")
            expect(page.locator("h1")).to_be_visible()
            figure("browser_slow_collections_s", perf_counter() - started, "s")
            page.evaluate(SHIFTS)
            shift = page.evaluate("new Promise(done => setTimeout(() => done(window.shift), 500))")
            assert shift < SHIFT_LIMIT, f"the page shifts by {shift:.2f}"

    def _slow_upload(self) -> None:
        with self._page(MANY, self._upload, slow=True) as page:
            started = perf_counter()
            page.set_input_files("#files", PHOTOS[:6])
            expect(page.locator("#uploads progress").first).to_be_visible()
            self._keep(page, "-waiting")
            expect(page.locator("#uploads > li").filter(has_text="Searchable")).to_have_count(6, timeout=60_000)
            figure("browser_slow_upload_6_s", perf_counter() - started, "s")

    def _failing_search(self, failure: Failure) -> None:
        with self._page(MANY, RESULTS) as page:
            before = page.locator("#grid .tile:not(.skeleton)").count()
            page.route("**/live/?*", lambda route: (page.wait_for_timeout(500), failure(route)))
            page.locator("#words").fill("a bird")
            page.keyboard.press("Enter")
            _is_told(page)
            self._keep(page, "-told")
            assert page.locator("#grid .tile:not(.skeleton)").count() == before, "the pictures that were there are gone"
            assert page.locator("#grid .skeleton").count() == 0, "skeletons stay for good"
            assert page.locator("#results").get_attribute("aria-busy") != "true", "the results are busy for good"
            assert page.locator("#words").input_value() == "a bird", "the words are lost"
            page.unroute_all(behavior="ignoreErrors")
            page.locator("#words").press("Enter")
            expect(page.locator("#terms .chip")).to_have_count(2)
            expect(page.locator("#grid .tile img").first).to_be_visible()

    def _failing_collections(self, failure: Failure) -> None:
        """The list while a sync runs, which asks for itself anew."""
        services = self._stack.deployment.services
        account = self._accounts.visitors[MANY].account.uuid
        with self._page(MANY, "/account") as page:
            page.route("**/live/collections?*", failure)
            services.syncs.start(services.collections.get(account, self._accounts.ids["bucket"]), Trigger.MANUAL)
            page.goto(self._stack.api_url + "/collections")
            assert page.locator("#collections[hx-trigger]").count(), "no sync was seen"
            rows = page.locator("#collections tbody tr, #collections li").count()
            _is_told(page)
            assert page.locator("#collections tbody tr, #collections li").count() == rows, "the collections are gone"
            page.unroute_all(behavior="ignoreErrors")
            expect(page.locator("#collections[hx-trigger]")).to_have_count(0, timeout=60_000)

    def _failing_poll(self, failure: Failure) -> None:
        """A page that asks every second says once that nothing answers, and goes on asking."""
        with self._page(WAITING, f"/samples/{self._accounts.ids['waiting']}") as page:
            page.route("**/live/samples/*", failure)
            _is_told(page)
            page.wait_for_timeout(3_500)
            assert page.locator("#toasts .toast").count() == 1, "the same is said several times at once"
            assert page.locator("#progress").count() == 1, "the progress is gone"
            page.unroute_all(behavior="ignoreErrors")
            with page.expect_response("**/live/samples/*"):
                pass

    def _failing_upload(self, failure: Failure) -> None:
        """What fails twice goes on by itself, or when one says so; nothing of the server's own words is shown."""
        times = iter(range(2))
        with self._page(MANY, self._upload) as page:
            page.route(
                "**/uploads", lambda route: failure(route) if next(times, None) is not None else route.fallback()
            )
            page.set_input_files("#files", [PHOTOS[20 + len(self._name) % 20]])
            done = page.locator("#uploads > li").filter(has_text="Searchable")
            there = page.locator("#uploads > li").filter(has_text="Already there")
            expect(done.or_(there)).to_have_count(1, timeout=60_000)
            assert "message" not in page.locator("main").inner_text()

    @property
    def _upload(self) -> str:
        return f"/collections/{self._accounts.ids['hundred_thousand']}/upload"


def _is_told(page: Page) -> None:
    """The reader is told in words, and not in those that API Gateway has for programs."""
    expect(page.locator("#toasts .toast, main [role=alert]").first).to_be_visible()
    body = page.locator("body").inner_text()
    assert '"message"' not in body, "the answer is shown as it came"
    assert page.locator("main").inner_text().strip(), "the page is empty"
