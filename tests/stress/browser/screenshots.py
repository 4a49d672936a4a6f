"""The pictures of the documents: ``make stress SUITE=screenshots``, each page light, dark and narrow.

They are written to docs/images as WebP. A page that cannot be shown as it is meant fails.
"""

import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from tests.bench.figures import figure
from tests.browser.accessibility import show_theme
from tests.browser.chromium import chromium
from tests.browser.visits import visit, visitor
from tests.stress.browser.showcase import PHOTOS, Showcase, make_showcase

FOLDER = Path("docs") / "images"
QUALITY = 72  # of WebP, out of 100
# By the end of the name: the window, and the theme.
LOOKS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "light": ({"viewport": {"width": 1120, "height": 760}}, "light"),
    "dark": ({"viewport": {"width": 1120, "height": 760}}, "dark"),
    "narrow": ({"viewport": {"width": 320, "height": 700}}, "light"),
}
RESULTS = "/?query=a+bird&without=people&cutoff=off"
CONNECT = "/collections/connect?name=Field+archive&bucket=northlight-archive&folder=field&region=us-east-1"
Prepare = Callable[[Page], None]


@dataclass(frozen=True)
class Shot:
    """Args:
    whose: "nobody", "nora" or "new"; ``whole``: the page to its end, unless it is narrow.
    """

    whose: str
    address: str
    prepare: Prepare | None = None
    whole: bool = False


def select_two(page: Page) -> None:
    for place in (1, 2):
        page.locator(".pick input").nth(place).check(force=True)


def open_third(page: Page) -> None:
    page.locator("#results .tile > a").nth(2).press("Enter")  # a narrow window has its bar over it
    expect(page.locator("#similar-strip .tile img").first).to_be_attached()


def upload_some(page: Page) -> None:
    """Three are in, one is refused, and the last one waits for a storage that does not answer."""
    names = ("kingfisher-bird", "koala", "lemur")
    page.set_input_files("#files", [PHOTOS[name] for name in names])
    expect(
        page.locator("#uploads > li").filter(has_text="Searchable").or_(page.get_by_text("Already there"))
    ).to_have_count(3)
    page.set_input_files(
        "#files", [{"name": "invoice.jpg", "mimeType": "image/jpeg", "buffer": b"%PDF-1.7 no picture"}]
    )
    expect(page.locator("#refused-rows > li")).to_have_count(1)
    page.route("**/*", lambda route: None if _stores(route.request) else route.fallback())
    page.set_input_files("#files", [PHOTOS["moose"]])
    expect(page.locator("#uploads progress").first).to_be_visible()


def _stores(request: Any) -> bool:
    return request.method == "POST" and "/live/" not in request.url


def explain_one(page: Page) -> None:
    page.get_by_label("Key of an object").fill("field/2024/oslo/giraffes.jpg")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator("#explanation")).to_contain_text("A search finds it.")


SHOTS: Mapping[str, Shot] = {
    "sign-in": Shot("nobody", "/sign-in"),
    "sign-in-failed": Shot("nobody", "/sign-in/callback?state=of-nobody"),
    "first-run": Shot("new", "/"),
    "search": Shot("nora", "/"),
    "results": Shot("nora", RESULTS, select_two),
    "nothing-found": Shot("nora", "/?query=a+submarine&orientation=portrait&format=png"),
    "picture": Shot("nora", RESULTS, open_third),
    "collections": Shot("nora", "/collections"),
    "collection": Shot("nora", "/collections/{archive}"),
    "syncing": Shot("nora", "/collections/{shop}"),
    "failures": Shot("nora", "/collections/{archive}/failures"),
    "explain": Shot("nora", "/collections/{archive}/explain", explain_one),
    "removals": Shot("nora", "/collections/{travel}"),
    "settings": Shot("nora", "/collections/{archive}/settings"),
    "connect": Shot("nora", CONNECT),
    "upload": Shot("nora", "/collections/{uploads}/upload", upload_some),
    "account": Shot("nora", "/account", whole=True),
    "token": Shot("nora", "/account/tokens/new"),
    "webhooks": Shot("nora", "/account/webhooks"),
    "not-found": Shot("nora", "/nothing/here"),
}


def take(browser: Browser, stack: LocalSystem, showcase: Showcase, only: str) -> Iterator[Path]:
    """The files of the pictures, which it has written."""
    cookies = {"nobody": None, "nora": showcase.visitor.cookie, "new": visitor(stack, plan="free").cookie}
    for name, shot in SHOTS.items():
        if not name.startswith(tuple(only.split()) or ""):
            continue
        for look, (window, theme) in LOOKS.items():
            address = shot.address.format_map(showcase.ids)
            cookie = cookies[shot.whose]
            with visit(browser, stack.api_url, address, cookie, reduced_motion="reduce", **window) as page:
                if shot.prepare is not None:
                    shot.prepare(page)
                show_theme(page, theme)
                _load_pictures(page)
                # The bar at the bottom of a narrow window would stand in the middle of a whole page.
                shown = page.screenshot(full_page=shot.whole and look != "narrow", caret="initial")
            target = FOLDER / f"{name}-{look}.webp"
            Image.open(io.BytesIO(shown)).convert("RGB").save(target, "WEBP", quality=QUALITY, method=6)
            yield target


def _load_pictures(page: Page) -> None:
    """Wait for each picture of the window; one that is put off, as it lies beside it, is not waited for."""
    page.mouse.move(0, 0)
    page.evaluate("""async () => {
      const box = each => each.getBoundingClientRect();
      const seen = [...document.images].filter(each => box(each).top < innerHeight && box(each).left < innerWidth);
      const late = new Promise(done => setTimeout(done, 5000));
      await Promise.race([late, Promise.allSettled(seen.map(each => each.decode()))]);
    }""")


def main(only: str) -> None:
    expect.set_options(timeout=60_000)  # a busy machine starts functions slowly
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        stack = bring_up(emulator, lambda _: None)
        showcase = make_showcase(emulator, stack)
        with chromium() as browser:
            sizes = [path.stat().st_size for path in take(browser, stack, showcase, only)]
    figure("screenshots", len(sizes), "pictures")
    figure("screenshots_kb", sum(sizes) / 1000, "KB")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
