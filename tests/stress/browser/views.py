"""Looks at places in Chromium at several sizes, light and dark: status, width, scripts, axe-core.

Screenshots are kept, and what a screen reader has of each place: its tree of roles and names.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.accessibility import THEMES, WCAG, show_theme
from tests.browser.visits import COOKIE, EXPECTED, Visitor
from tests.stress.browser.places import Place

# 200 % of a window of 1,440 pixels leaves 720, of twice as many dots:
# https://www.w3.org/WAI/WCAG22/Understanding/resize-text
SIZES: Mapping[str, Mapping[str, Any]] = {
    "1440": {"viewport": {"width": 1440, "height": 900}},
    "768": {"viewport": {"width": 768, "height": 1024}},
    "320": {"viewport": {"width": 320, "height": 700}},
    "zoom200": {"viewport": {"width": 720, "height": 450}, "device_scale_factor": 2},
}
# axe-core's best practices are beyond WCAG 2.2 AA.
RULES = {"type": "tag", "values": [*WCAG, "best-practice"]}
# What reaches beyond the right edge, outermost first, for who mends it.
BEYOND = """() => [...document.querySelectorAll("body *")]
  .filter(each => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .slice(0, 3).map(each => each.outerHTML.slice(0, 150))"""


@dataclass
class Findings:
    """What was seen: ``lines`` say what is wrong, and ``counts`` how often, by kind."""

    views: int = 0
    audits: int = 0
    lines: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("violation", "sideways", "script", "status"), 0)
    )

    def add(self, kind: str, where: str, what: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.lines.append(f"{kind}: {where}: {what}")
        print(self.lines[-1], flush=True)


def look(
    browser: Browser,
    site: str,
    visitors: Mapping[str, Visitor],
    places: Sequence[Place],
    folder: Path,
    findings: Findings,
    sizes: Collection[str] = SIZES,
) -> None:
    """Opens each place at each of the sizes; screenshots go to ``folder``/size-theme/place.png, trees to /spoken."""
    axe = Axe()
    for size, options in SIZES.items():
        if size not in sizes:
            continue
        for person in dict.fromkeys(place.person for place in places):
            with _window(browser, site, visitors.get(person), options) as (page, complaints):
                for place in places:
                    if place.person == person:
                        _look_at(page, site, place, size, axe, folder, findings)
                        for complaint in complaints:
                            findings.add("script", f"{place.name} at {size}", complaint)
                        complaints.clear()


@contextmanager
def _window(
    browser: Browser, site: str, visitor: Visitor | None, options: Mapping[str, Any]
) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what its console complains of. Without motion no colour is measured on its way."""
    context = browser.new_context(**options, reduced_motion="reduce")
    if visitor is not None:
        context.add_cookies([{"name": COOKIE, "value": visitor.cookie, "url": site}])
    page, complaints = context.new_page(), list[str]()

    def note(text: str) -> None:
        if not text.startswith(EXPECTED):
            complaints.append(text)

    page.on("console", lambda message: note(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: note(str(error)))
    page.on("dialog", lambda dialog: (note(f"a dialog: {dialog.message}"), dialog.dismiss()))
    page.set_default_timeout(60_000)
    try:
        yield page, complaints
    finally:
        context.close()


def _look_at(page: Page, site: str, place: Place, size: str, axe: Axe, folder: Path, findings: Findings) -> None:
    where = f"{place.name} at {size}"
    page.emulate_media(color_scheme="light")
    response = page.goto(site + place.address)
    if response is None or response.status != place.status:
        findings.add("status", where, f"{response and response.status} instead of {place.status}")
    findings.views += 1
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        findings.add("sideways", where, "; ".join(page.evaluate(BEYOND)))
    if page.locator("[data-evil]").count():
        findings.add("script", where, "a name has become an element")
    if size == next(iter(SIZES)):
        _keep(folder / "spoken" / f"{place.name}.yaml", page.locator("body").aria_snapshot().encode())
    for theme in THEMES:
        show_theme(page, theme)
        findings.audits += 1
        for each in axe.run(page, options={"runOnly": RULES, "resultTypes": ["violations"]}).response["violations"]:
            nodes = [node["html"][:160] for node in each["nodes"]]
            findings.add("violation", f"{where}, {theme}", f"{each['id']} ({len(nodes)}): {nodes[0]}")
        _keep(folder / f"{size}-{theme}" / f"{place.name}.png", page.screenshot(full_page=True))


def _keep(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
