"""The dashboard in Chromium: every page, four sizes, light and dark: ``make stress SUITE=browser``.

On a local system of its own it signs in by Cognito's form, makes accounts with 0, 1 and 300 files whose names are long,
right-to-left and hostile, opens every page at 1440, 768 and 320 pixels and at 200 %, runs axe-core on each, and plays a
slow network and a failing server. Screenshots are kept in build/browser. ONLY=account looks at the places alone whose
name begins so, and plays no fault; SIZES="1440 320" looks at these sizes alone.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from time import perf_counter

from playwright.sync_api import Browser, expect

from infra.emulator import Emulator
from infra.local_system import LocalSystem, bring_up
from infra.localhost import free_port
from tests.bench.figures import figure
from tests.browser import visits
from tests.browser.chromium import chromium
from tests.stress.browser.accounts import make_accounts
from tests.stress.browser.faults import Faults
from tests.stress.browser.places import places, unnamed
from tests.stress.browser.views import SIZES, Findings, look

SCREENSHOTS = Path("build") / "browser"


def run(only: str = "", sizes: Collection[str] = SIZES) -> Findings:
    """Raises AssertionError where the system does not start, or an account cannot be made."""
    seen = Findings()
    for path in unnamed():
        seen.add("unnamed", path, "is not in tests/stress/browser/places.py, or no page's path")
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        began = perf_counter()
        stack = bring_up(emulator, lambda _: None)
        figure("browser_system_s", perf_counter() - began, "s")
        accounts = make_accounts(emulator, stack)
        figure("browser_accounts_s", perf_counter() - began, "s")
        chosen = [place for place in places(accounts.ids) if place.name.startswith(only)]
        with chromium() as browser:
            sign_in(browser, stack, seen)
            look(browser, stack.api_url, accounts.visitors, chosen, SCREENSHOTS, seen, sizes)
            faults = Faults(browser, stack, accounts, SCREENSHOTS / "faults", seen)
            if not only or only == "faults":
                faults.play()
    figure("browser_places", len(chosen), "places")
    figure("browser_views", seen.views, "views")
    figure("browser_audits", seen.audits, "audits by axe")
    figure("browser_faults_played", faults.played, "faults")
    return seen


def sign_in(browser: Browser, stack: LocalSystem, seen: Findings) -> None:
    """By Cognito's own pages, as the demo user, and out again."""
    try:
        with visits.visit(browser, stack.api_url) as page:
            visits.sign_in(page, stack)
            expect(page).to_have_url(stack.dashboard_url)
            page.get_by_label("your account").click()
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("status")).to_contain_text("You are signed out.")
    except AssertionError as error:
        seen.add("sign-in", "demo user", str(error))


def main() -> int:
    expect.set_options(timeout=15_000)
    started = perf_counter()
    seen = run(os.environ.get("ONLY", ""), os.environ.get("SIZES", "").split() or SIZES)
    print(f"\n{'what':<12} {'in all':>8} " + " ".join(f"{size:>8}" for size in SIZES))
    for kind, count in seen.counts.items():
        lines = [line for line in seen.lines if line.startswith(f"{kind}:")]
        each = [sum(f" at {size}" in line for line in lines) for size in SIZES]
        print(f"{kind:<12} {count:>8} " + " ".join(f"{number:>8}" for number in each))
    for kind, count in seen.counts.items():
        figure(f"browser_found_{kind.replace('-', '_')}", count, "findings")
    figure("browser_seconds", perf_counter() - started, "s")
    return 1 if seen.lines else 0


if __name__ == "__main__":
    sys.exit(main())
