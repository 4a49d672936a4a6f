"""What axe-core finds on a page against WCAG 2.2 AA, in the light and in the dark; and what a screen reader says."""

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
# What comes to a live region that was there before is said, and so is a new alert; another region that comes with its
# words is not, by several readers: https://www.w3.org/WAI/WCAG22/Techniques/aria/ARIA22
_LISTEN = """(() => {
  window.said = [];
  const region = "[role=status], [role=alert], [aria-live]";
  const say = element => {
    const words = element.hidden ? "" : element.textContent.replace(/\\s+/g, " ").trim();
    if (words) window.said.push(words);
  };
  new MutationObserver(records => {
    const heard = new Set();
    for (const { type, target, addedNodes } of records) {
      const around = (target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement)?.closest(region);
      if (around && (type === "attributes" || addedNodes.length)) heard.add(around);
      for (const node of addedNodes) if (!around && node.matches?.("[role=alert]")) heard.add(node);
      for (const node of addedNodes) for (const each of node.querySelectorAll?.("[role=alert]") ?? []) heard.add(each);
    }
    heard.forEach(say);
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden"] });
})()"""


def listen(page: Page) -> None:
    """Note from now on, on this page and those after it, what a screen reader would say by itself."""
    page.add_init_script(_LISTEN)
    page.evaluate(_LISTEN)


def wait_until_said(page: Page, words: str) -> None:
    """Raises TimeoutError: a screen reader has not said the words on this page since ``listen``."""
    page.wait_for_function("words => window.said.some(each => each.includes(words))", arg=words)


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
