"""``make bench SUITE=newcomer``: the way to a first search in a browser, step by step, of somebody who is new to it.

What the machine takes is measured, in a clone and in Chromium. What the hand takes is computed: typing, pointing and
deciding by the keystroke-level model (Card, Moran and Newell 1980, https://doi.org/10.1145/358886.358895), and reading
of every word that a step shows at 238 words a minute (Brysbaert 2019, https://doi.org/10.1016/j.jml.2019.104047).
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from playwright.sync_api import Page, expect

from infra.local_system import LocalSystem
from infra.localhost import free_port
from tests.bench.figures import figure
from tests.bench.system import ROOT, RunningSystem
from tests.browser.chromium import chromium

# Seconds of a key, of pointing at something and pressing, of moving the hand to the mouse or back, and of deciding.
KEY, POINT, HAND, DECIDE = 0.28, 1.1 + 0.2, 0.4, 1.35
WORDS_A_SECOND = 238 / 60
COMMANDS = ("git clone https://github.com/similarix/similarix", "cd similarix", "make run")
FIRST_SEARCH = "a bird"


def typing(text: str) -> float:
    """Seconds of typing a text and Enter."""
    return HAND + KEY * (len(text) + 1)


@dataclass
class Steps:
    """What has been done; ``lines`` are those of a table."""

    machine: float = 0
    hand: float = 0
    lines: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str, hand: float, *, read: Callable[[], str] = str) -> Iterator[None]:
        """Do a step.

        Args:
            hand: its seconds, without reading.
            read: what it shows, once it is done.
        """
        started = perf_counter()
        yield
        machine = perf_counter() - started
        hand += len(read().split()) / WORDS_A_SECOND
        self.machine += machine
        self.hand += hand
        self.lines.append(f"| {name} | {machine:.1f} s | {hand:.1f} s | {self.machine + self.hand:.0f} s |")
        print(self.lines[-1], flush=True)


def main() -> None:
    steps = Steps()
    print("| step | machine | hand | since the beginning |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        clone, port = Path(folder) / "similarix", free_port()
        with steps.step("`git clone`, of a disk here", sum(map(typing, COMMANDS[:2]))):
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        with steps.step("`make run`, until it prints the address", typing(COMMANDS[2])):
            system = RunningSystem(clone, port)
            system.wait_until_ready()
        try:
            stack = LocalSystem.read(system.folder)
            assert stack is not None
            use(browser.new_page(viewport={"width": 1440, "height": 900}), stack, steps)
        finally:
            system.stop()
    figure("newcomer_machine_s", steps.machine, "s")
    figure("newcomer_hand_s", steps.hand, "s")
    figure("newcomer_first_search_s", steps.machine + steps.hand, "s")


def use(page: Page, stack: LocalSystem, steps: Steps) -> None:
    def shown() -> str:
        return page.locator("body").inner_text()

    printed = f"In a browser: {stack.dashboard_url} sign in as {stack.demo_user}, password {stack.demo_password}"
    with steps.step("open the address from the shell", DECIDE + HAND + POINT, read=lambda: f"{printed} {shown()}"):
        page.goto(stack.dashboard_url)
        expect(page.get_by_role("link", name="Sign in or sign up")).to_be_visible()
    with steps.step("press “Sign in or sign up”", DECIDE + POINT, read=shown):
        page.get_by_role("link", name="Sign in or sign up").click()
        expect(page.get_by_label("Username")).to_be_visible()
    with steps.step("type the demo user's address", DECIDE + typing(stack.demo_user), read=shown):
        page.get_by_label("Username").fill(stack.demo_user)
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_label("Password")).to_be_visible()
    copied = 2 * HAND + 2 * POINT + 4 * KEY  # a double click in the shell, copy, back, paste
    with steps.step("copy the password from the shell, and Enter", DECIDE + copied + KEY, read=shown):
        page.get_by_label("Password").fill(stack.demo_password)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#words")).to_be_visible()
    with steps.step(f"type “{FIRST_SEARCH}”, and Enter", DECIDE + typing(FIRST_SEARCH)):
        page.locator("#words").fill(FIRST_SEARCH)
        page.keyboard.press("Enter")
        page.locator("#grid .tile img").first.evaluate("picture => picture.decode()")
    assert page.locator("#grid:not(.past-chance) .tile").count(), "the first search shows nothing before chance begins"


if __name__ == "__main__":
    main()
