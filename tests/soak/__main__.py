"""The deployed system while its workers are killed and its bucket changes: ``make soak-stack``.

First one sync of 500 objects, during which twenty times, at random moments, one of the processes that are at work is
ended by SIGKILL. Then, for MINUTES, in rounds: objects are put, overwritten, deleted, copied, and come back; S3 tells
of it, or nobody does, or old news comes again; syncs begin by call and by schedule, and are cancelled; workers are
killed, and the emulator is restarted. At the end of each round, and of the sync, all must come to rest, with bucket,
catalogue and index equal and the statistics exact. SEED chooses what happens.
"""

import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from infra.emulator import Emulator
from infra.local_system import bring_up
from infra.localhost import free_port
from tests.soak.differences import differences
from tests.soak.kills import Killer
from tests.soak.system import PATIENCE_SECONDS, System, until

OBJECTS, KILLS = 500, 20
AT_MOST = {"sync-worker": 3}  # kills in one sync: its one message is given up after eight
ROUND_SECONDS = 300
RESTARTS = 2  # a round


class Soak:
    """``found`` are the differences so far."""

    def __init__(self, emulator: Emulator, dice: random.Random) -> None:
        self._dice = dice
        self._system = System(emulator, bring_up(emulator, print), dice)
        self._system.hide_briefly()
        self._killer = Killer(emulator, dice)
        self._done: Counter[str] = Counter()
        self.found: list[str] = []

    def one_sync(self) -> None:
        """Twenty processes that are at work at one sync of 500 objects are killed; that sync itself must complete."""
        with self._system.unheard():
            for number in range(OBJECTS):
                self._system.put(number)
        self._system.sync()
        began = self._system.status()["progress"]["started_at"]
        for kill in range(KILLS):
            # The walk is over soon: the first one dies in it.
            time.sleep(self._dice.uniform(0, 1 if kill else 0.2))
            spared = [name for name, most in AT_MOST.items() if self._killer.killed[name] >= most]
            until(partial(self._killer.kill_one, spared), PATIENCE_SECONDS)
            if self._system.status()["status"] != "in_progress":
                self.found.append(f"the sync had ended after {self._killer.killed.total()} kills")
                break
        revived, status = self._system.rest(), self._system.status()
        progress = status["progress"]
        if (status["status"], progress["started_at"]) != ("completed", began):
            self.found.append(f"the sync did not complete: {status}")
        if (progress["to_do"], progress["done"]) != (OBJECTS, OBJECTS):
            self.found.append(f"the sync's figures are off: {progress}")
        self._system.news_lost = False
        self._look(f"one sync, killed {dict(self._killer.killed)}, {revived} dead letters sent back")

    def rounds(self, minutes: float) -> None:
        deadline = time.monotonic() + 60 * minutes
        number = 0
        while (left := deadline - time.monotonic()) > 0:
            number += 1
            # Every other round nothing but the events tells of what happens.
            self._round(min(left, ROUND_SECONDS), deaf=number % 2 == 0)
            name = f"round {number}, {dict(self._done)}, killed {dict(self._killer.killed)}"
            revived = self._system.rest()
            if not self._system.news_lost:
                self._look(f"{name}, {revived} dead letters sent back, before a sync")
            self._system.sync()
            revived += self._system.rest()
            self._system.news_lost = False
            self._look(f"{name}, {revived} dead letters sent back")

    def _round(self, seconds: float, *, deaf: bool) -> None:
        system = self._system
        began = time.monotonic()
        restarts = sorted(self._dice.uniform(0, seconds) for _ in range(RESTARTS if deaf else 0))
        stirring: list[Callable[[int], None]] = [
            system.put, system.put, system.put_back, system.put_words, system.copy, system.delete, system.delete,
        ]  # fmt: skip
        asking = [system.sync, system.schedule, system.cancel, self._killer.kill_one, self._killer.kill_one]
        while (passed := time.monotonic() - began) < seconds:
            if restarts and passed > restarts[0]:
                restarts.pop(0)
                self._note(system.restart)
                system.restart()
            elif self._dice.random() < 0.25:
                act = self._dice.choice(asking)
                self._note(act)
                act()
            else:
                unheard = deaf and self._dice.random() < 0.3
                self._stir(self._dice.choice([*stirring, system.repeat_news]), unheard=unheard)
            time.sleep(self._dice.uniform(0, 0.6))

    def _stir(self, act: Callable[[int], None], *, unheard: bool) -> None:
        self._note(act)
        number = self._dice.randrange(OBJECTS)
        if unheard:
            with self._system.unheard():
                act(number)
        else:
            act(number)

    def _note(self, act: Callable[..., object]) -> None:
        self._done[act.__name__] += 1

    def _look(self, what: str) -> None:
        found = list(differences(self._system.deployment, self._system.emulator.folder / "vectors.sqlite"))
        print(f"{what}: {len(found)} differences", flush=True)
        self.found += [f"{what}: {difference}" for difference in found]


def main() -> int:
    seed, minutes = int(os.environ.get("SEED", "1")), float(os.environ.get("MINUTES", "5"))
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        soak = Soak(emulator, random.Random(seed))
        soak.one_sync()
        soak.rounds(minutes)
    print(f"seed {seed}")
    print("\n".join(soak.found) or "bucket, catalogue and index are equal, the statistics exact")
    return 1 if soak.found else 0


if __name__ == "__main__":
    sys.exit(main())
