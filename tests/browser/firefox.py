"""Firefox, driven by Playwright over WebDriver BiDi, so that it is the machine's own: Debian's is ``firefox-esr``."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, sync_playwright

from tests.browser import firefox_relay
from tests.browser.chromium import NoBrowser

NAMES = ("firefox-esr", "firefox")
CHANNEL = "moz-firefox"  # Playwright's name for a Firefox that it has not patched
VARIABLE = "SIMILARIX_BROWSER"


def is_firefox() -> bool:
    """Whether the tests run in Firefox."""
    return os.environ.get(VARIABLE) == "firefox"


def not_by_bidi(reason: str) -> pytest.MarkDecorator:
    """Marks a test that needs what Playwright cannot do by WebDriver BiDi."""
    return pytest.mark.skipif(is_firefox(), reason=reason)


@contextmanager
def firefox() -> Iterator[Browser]:
    """Starts Firefox without a window; raises NoBrowser if there is none."""
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    if installed is None:
        raise NoBrowser("Firefox is not here; on Debian: apt-get install firefox-esr")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        program = Path(folder) / "firefox"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{firefox_relay.__file__}" "{installed}" "$@"\n')
        program.chmod(0o700)
        try:
            browser = playwright.firefox.launch(channel=CHANNEL, executable_path=program)
        except Error as error:
            raise NoBrowser(f"Firefox does not start here: {error.message.splitlines()[0]}") from error
        try:
            yield browser
        finally:
            browser.close()
