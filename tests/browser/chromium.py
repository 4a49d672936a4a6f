"""Chromium, driven by Playwright: the machine's own, or the one that ``playwright install`` has fetched."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# A container has too small a /dev/shm and no sandbox for root; the tests open no page but their own.
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking")


class NoBrowser(Exception):
    """This machine has no Chromium that starts."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Starts Chromium without a window; raises NoBrowser if there is none."""
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=installed, args=list(FLAGS))
        except Error as error:
            raise NoBrowser(
                f"Chromium does not start here; `make browser` installs it: {error.message.splitlines()[0]}"
            ) from error
        try:
            yield browser
        finally:
            browser.close()
