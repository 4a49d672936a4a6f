"""The search of the dashboard: full pages' own work beyond services, their bytes, and what a person waits for.

The work is the processor's time on fakes, whose own counts as that of the services. The waiting is measured in
Chromium, on a local system that is deployed for it: from Enter to the first picture that has arrived, and from the
click that adds the samples to the first of them.
"""

import gzip
import io
import logging
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from playwright.sync_api import Browser, Page

from chalicelib.dashboard.static_files import assets
from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from tests.bench.figures import figure, percentile
from tests.browser.chromium import chromium
from tests.browser.visits import Visitor, visitor
from tests.e2e.harness import Caller
from tests.fakes.pages import FakeDashboard
from tests.unit.dashboard.picture_world import PictureWorld

TURNS = 50
PICTURES = 120
# None of them has been asked for before, so each is embedded.
QUERIES = ("a bird", "an animal", "fish", "a tower", "a drum", "a horse", "a rocket", "a koala", "a cup", "a panda")
LATER_QUERIES = (
    "a dog",
    "a building",
    "the sea",
    "a bear",
    "a monkey",
    "a coffee",
    "a moose",
    "a reef",
    "pandas",
    "an eagle",
)
# When the first picture had arrived, or its place was there if the browser had it already, since Enter.
ARRIVED = """async () => {
  const picture = document.querySelector("#results .tile img");
  await picture.decode();
  const entry = performance.getEntriesByName(picture.currentSrc).at(-1);
  const arrived = Math.max(entry.responseEnd, Number(document.body.dataset.swapped ?? 0));
  return performance.timeOrigin + arrived - Number(sessionStorage.getItem("enter"));
}"""
NOTE_ENTER = """document.addEventListener("keydown", (event) => {
  if (event.key === "Enter") sessionStorage.setItem("enter", performance.timeOrigin + performance.now());
}, { capture: true });
document.addEventListener("htmx:afterSwap", () => { document.body.dataset.swapped = performance.now() })"""
SHOWN = """chips => document.querySelectorAll("#terms .chip").length === chips
  && document.querySelector("#results .tile img")"""


class Timed:
    """Stands for an object, and adds up the seconds that calls of its methods take, and those of its services."""

    def __init__(self, inner: Any, spent: list[float]) -> None:
        self._inner, self._spent = inner, spent

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if callable(value):
            return self._timed(value)
        return Timed(value, self._spent) if type(value).__module__.startswith("chalicelib.services") else value

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            started = process_time()
            try:
                return method(*arguments, **options)
            finally:
                self._spent.append(process_time() - started)

        return call


def main() -> None:
    logging.getLogger("similarix").handlers[0].setStream(io.StringIO())  # type: ignore[attr-defined]
    world = PictureWorld()
    world.put(*(f"2024/kenya/a-name-as-cameras-give-it-{number:04d}.jpg" for number in range(PICTURES)))
    spent: list[float] = []
    timed = Timed(world.app, spent)
    world.browser.dashboard = FakeDashboard(timed)  # type: ignore[arg-type]
    results = world.get("/?query=an+animal&without=people").body
    picture = results.partition('<a href="/live/pictures/')[2].partition('"')[0]
    for name, path in {
        "first": "/",
        "results": "/?query=an+animal&without=people",
        "picture": f"/pictures/{picture}",
    }.items():
        measure_work(world, spent, name, path)
        measure_bytes(world, name, path)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with Emulator(place, free_port()) as emulator, chromium() as browser:
            measure_waiting(browser, bring_up(emulator, lambda _: None))


def measure_work(world: PictureWorld, spent: list[float], name: str, path: str) -> None:
    """Milliseconds of a page without those of the services that it has called."""
    own = []
    for turn in range(TURNS + 5):
        spent.clear()
        started = process_time()
        assert world.get(path).status == 200
        if turn >= 5:
            own.append((process_time() - started - sum(spent)) * 1000)
    figure(f"search_{name}_own_p50_ms", statistics.median(own), "ms")
    figure(f"search_{name}_own_p95_ms", percentile(own, 95), "ms")


def measure_bytes(world: PictureWorld, name: str, path: str) -> None:
    """HTML, style sheet and scripts of a page together, as they are and as API Gateway compresses them."""
    page = world.get(path).body.encode()
    # A module that is imported is not named in the page.
    names = ("styles.css", "htmx.min.js", "frame.js", "search.js", "grid.js", "viewer.js")
    parts = [page, *(assets()[each] for each in names)]
    figure(f"search_{name}_kb", sum(map(len, parts)) / 1000, "KB")
    figure(f"search_{name}_sent_kb", sum(len(gzip.compress(part)) for part in parts) / 1000, "KB")


def measure_waiting(browser: Browser, stack: LocalSystem) -> None:
    account = Caller(stack.api_url, stack.token).result("GET", "/api/account/")["account"]["uuid"]
    member = visitor(stack, account)
    with member.visit(browser) as page:
        _report("enter_to_first_result", [_search(page, member, query, anew=True) for query in QUERIES])
        _report("enter_to_next_result", [_search(page, member, query, anew=False) for query in LATER_QUERIES])
    with visitor(stack, plan="free").visit(browser) as page:
        page.set_default_timeout(120_000)
        started = perf_counter()
        page.get_by_role("button", name="Add the samples").click()
        page.locator("#results .tile img").first.wait_for()
        figure("samples_to_first_result_s", perf_counter() - started, "s")


def _search(page: Page, member: Visitor, query: str, *, anew: bool) -> float:
    """Milliseconds from Enter on the empty page, or else on results, until the first picture has arrived."""
    page.goto(f"{member.site}/" if anew else f"{member.site}/?query=a+start&cutoff=off")
    page.evaluate(NOTE_ENTER)
    page.locator("#words").fill(query)
    page.keyboard.press("Enter")
    page.wait_for_function(SHOWN, arg=1 if anew else 2)
    return float(page.evaluate(ARRIVED))


def _report(name: str, durations: list[float]) -> None:
    figure(f"{name}_p50_ms", statistics.median(durations), "ms")
    figure(f"{name}_max_ms", max(durations), "ms")


if __name__ == "__main__":
    main()
