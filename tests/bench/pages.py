"""``make bench SUITE=pages``: the dashboard's own work for a page, what pages weigh, and what they add to a cold start.

Pages are rendered on fakes, so nothing is waited for: what remains is routing, the session, the view and its template.
"""

import io
import logging
import statistics
import subprocess
import sys
from pathlib import Path

from tests.bench.figures import figure, milliseconds
from tests.unit.dashboard.page_isolation import World, targets
from tests.unit.dashboard.test_hostile_names import weight

ROOT = Path(__file__).parents[2]
VISITS, STARTS = 50, 15  # repetitions


def measure_pages() -> None:
    logging.getLogger("similarix").handlers[0].setStream(io.StringIO())  # type: ignore[attr-defined]
    world = World()
    browser, ids = world.victim.browser, world.victim.ids
    works, weights = {}, {}
    for target in targets():
        path = target.filled(ids)
        if target.method != "GET" or target.options.public:
            continue
        answer = browser.get(path)
        if answer.status == 200 and answer.headers["content-type"].startswith("text/html"):
            works[target.path] = statistics.median(milliseconds(lambda path=path: browser.get(path), VISITS))
            weights[target.path] = weight(answer.body)
    figure("page_own_work_ms", statistics.median(works.values()), "ms")
    slowest, heaviest = max(works, key=works.__getitem__), max(weights, key=weights.__getitem__)
    print(f"slowest {slowest}, heaviest {heaviest}")
    figure("page_own_work_slowest_ms", works[slowest], "ms")
    figure("page_weight_heaviest_kb", weights[heaviest] / 1000, "KB")


# What app.py does, but for pages, workers and their schedules.
API_ALONE = (
    "from chalice.app import Chalice; from chalicelib import workers; "
    "from chalicelib.api.routes import register_routes; "
    "from chalicelib.bootstrap import Services; register_routes(Chalice(app_name='api'), lambda: None)"
)
WITH_PAGES = API_ALONE.replace(
    "register_routes(Chalice(app_name='api'), lambda: None)",
    "from chalicelib.dashboard.routes import register_pages; api = Chalice(app_name='api'); "
    "pages = register_pages(api, lambda: None); register_routes(api, lambda: None, pages.unknown_page)",
)


def measure_start() -> None:
    """Compare the start of the API with pages and without, in turns, in new interpreters, in processor time."""
    differences = []
    for _ in range(STARTS):
        without = _seconds(_timed(API_ALONE))
        differences.append(_seconds(_timed(WITH_PAGES)) - without)
    figure("pages_start_ms", statistics.median(differences) * 1000, "ms")
    figure("pages_first_render_ms", _first_render_seconds() * 1000, "ms")


def _timed(code: str) -> str:
    return f"import time; start = time.process_time(); {code}; print(time.process_time() - start)"


def _first_render_seconds() -> float:
    """What the first page of a function waits for the template engine and the frame's templates."""
    code = (
        "import time, app; start = time.process_time(); "
        "from chalicelib.dashboard.rendering import environment; environment().get_template('page.html'); "
        "print(time.process_time() - start)"
    )
    return statistics.median(_seconds(code) for _ in range(STARTS))


def _seconds(code: str) -> float:
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(process.stdout)


if __name__ == "__main__":
    measure_pages()
    measure_start()
