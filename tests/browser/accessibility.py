"""What axe-core finds on a page against WCAG 2.2 AA, in the light and in the dark."""

from collections.abc import Iterator, Sequence

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
THEMES = ("light", "dark")
# On a busy machine a colour may still be on its way from the other theme, however short the way is.
_SETTLED = """async () => {
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  const transitions = document.getAnimations().filter(each => each instanceof CSSTransition);
  await Promise.allSettled(transitions.map(each => each.finished));
}"""


def show_theme(page: Page, theme: str) -> None:
    """Change to the light or the dark, and wait until every colour has arrived."""
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.evaluate(_SETTLED)


def violations(page: Page, themes: Sequence[str] = THEMES) -> Iterator[tuple[str, str, str, list[str]]]:
    """The address, the theme, the rule and the elements of each violation."""
    for theme in themes:
        show_theme(page, theme)
        options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
        for each in Axe().run(page, options=options).response["violations"]:
            yield page.url, theme, each["id"], [node["html"] for node in each["nodes"]]
