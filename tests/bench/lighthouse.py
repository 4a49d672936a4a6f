"""What Lighthouse says of the dashboard's pages: ``make bench SUITE=lighthouse``, on a local system of its own.

Lighthouse comes from the npm registry, in a version that the Node.js here runs, into build/lighthouse. Simulated
throttling is Lighthouse's own: a slow telephone, and a desktop. Scores are the median of RUNS=3. ONLY=results-desktop
audits what begins so alone.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.emulator import Emulator
from infra.local_system import bring_up
from infra.localhost import free_port
from tests.bench.figures import figure
from tests.browser.chromium import FLAGS, NAMES
from tests.browser.visits import COOKIE, visitor
from tests.e2e.harness import Caller

VERSION = "12.8.2"  # the last of those that run on Node.js 20; 13 needs 22.19
FOLDER = Path("build") / "lighthouse"
PROGRAM = FOLDER / "node_modules" / "lighthouse" / "cli" / "index.js"
CATEGORIES = ("performance", "accessibility", "best-practices")
# By name: the address, whether one has signed in, and the categories; only a public page is for search engines.
PAGES = {
    "first": ("/", True, CATEGORIES),
    "results": ("/?query=an+animal&cutoff=off", True, CATEGORIES),
    "collections": ("/collections", True, CATEGORIES),
    "sign_in": ("/sign-in", False, (*CATEGORIES, "seo")),
}
DEVICES = {"mobile": (), "desktop": ("--preset=desktop",)}
METRICS = ("first-contentful-paint", "largest-contentful-paint", "speed-index", "total-blocking-time")


def main() -> None:
    install()
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        stack = bring_up(emulator, lambda _: None)
        account = Caller(stack.api_url, stack.token).result("GET", "/api/account/")["account"]["uuid"]
        cookie = f"{COOKIE}={visitor(stack, account).cookie}"
        runs, only = int(os.environ.get("RUNS") or 3), os.environ.get("ONLY", "")
        for name, (path, signed_in, categories) in PAGES.items():
            for device, options in DEVICES.items():
                if not f"{name}-{device}".startswith(only):
                    continue
                address, sent = stack.api_url + path, cookie if signed_in else None
                reports = [audit(address, categories, options, sent) for _ in range(runs)]
                (FOLDER / f"{name}-{device}.json").write_text(json.dumps(reports[-1]))
                show(f"lighthouse_{name}_{device}", reports)


def show(name: str, reports: list[dict]) -> None:  # type: ignore[type-arg]
    for category in reports[0]["categories"]:
        scores = [report["categories"][category]["score"] * 100 for report in reports]
        figure(f"{name}_{category.replace('-', '_')}", statistics.median(scores), "points")
    for metric in METRICS:
        values = [report["audits"][metric]["numericValue"] for report in reports]
        figure(f"{name}_{metric.replace('-', '_')}_ms", statistics.median(values), "ms")
    complain(reports[-1])


def install() -> None:
    """Raises CalledProcessError where npm cannot have it, and FileNotFoundError where there is no npm."""
    if not PROGRAM.exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(FOLDER)]
        subprocess.run([*command, "--cache", str(FOLDER / "cache"), f"lighthouse@{VERSION}"], check=True)


def audit(url: str, categories: Sequence[str], options: Sequence[str], cookie: str | None) -> dict:  # type: ignore[type-arg]
    """Lighthouse's report; raises CalledProcessError if it could not open the page."""
    chrome = next(filter(None, map(shutil.which, NAMES)))
    command = ["node", str(PROGRAM), url, "--output=json", "--quiet", f"--only-categories={','.join(categories)}"]
    command += [f"--chrome-flags={' '.join(('--headless=new', *FLAGS))}", *options]
    if cookie is not None:
        command += [f"--extra-headers={json.dumps({'Cookie': cookie})}"]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=180, env={**os.environ, "CHROME_PATH": chrome}
    )
    report: dict = json.loads(done.stdout)  # type: ignore[type-arg]
    return report


def complain(report: dict) -> None:  # type: ignore[type-arg]
    """Prints the audits that a category counts and that are not passed."""
    for category in report["categories"].values():
        for reference in category["auditRefs"]:
            result = report["audits"][reference["id"]]
            if reference["weight"] and result["score"] is not None and result["score"] < 0.9:
                print(f"  {category['id']}: {result['id']}: {result['score']} {result.get('displayValue', '')}")


if __name__ == "__main__":
    main()
