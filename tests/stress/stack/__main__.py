"""The deployed system while its workers are killed and its bucket changes: ``make stress SUITE=stack``.

First one sync of 500 objects, during which SIGKILL ends twenty busy processes at random moments. Then rounds, for
MINUTES: objects are put, overwritten, deleted, copied and put back; S3 sends its events, or none, or old ones once
more; syncs start by call and by schedule, and are cancelled; workers are killed, and the emulator restarts. After the
sync and after each round, all queues must drain, bucket, catalogue and index must be equal, and the statistics exact.
SEED chooses what happens.
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
from tests.stress.stack.differences import differences
from tests.stress.stack.system import TIMEOUT_SECONDS, System, wait_for
from tests.stress.stack.worker_killer import WorkerKiller

OBJECTS, KILLS = 500, 20
MAX_KILLS = {"sync-worker": 3}  # in one sync: its message goes to the dead-letter queue after eight deliveries
ROUND_SECONDS = 300
RESTARTS_PER_ROUND = 2


class StackStress:
    """``differences`` are the sentences about all that was wrong so far."""

    def __init__(self, emulator: Emulator, rng: random.Random) -> None:
        self._rng = rng
        self._system = System(emulator, bring_up(emulator, print), rng)
        self._system.shorten_visibility_timeouts()
        self._killer = WorkerKiller(emulator, rng)
        self._counts: Counter[str] = Counter()
        self.differences: list[str] = []

    def run_sync(self) -> None:
        """Kills twenty busy processes during one sync of 500 objects; that sync itself must complete."""
        with self._system.without_events():
            for number in range(OBJECTS):
                self._system.put(number)
        self._system.start_sync()
        started_at = self._system.sync_status()["progress"]["started_at"]
        for kill in range(KILLS):
            # The listing takes a second or so: the first kill must come during it.
            time.sleep(self._rng.uniform(0, 1 if kill else 0.2))
            spared = [name for name, most in MAX_KILLS.items() if self._killer.killed[name] >= most]
            wait_for(partial(self._killer.kill_one, spared), TIMEOUT_SECONDS)
            if self._system.sync_status()["status"] != "in_progress":
                self.differences.append(f"the sync ended after {self._killer.killed.total()} kills")
                break
        redriven, status = self._system.wait_until_idle(), self._system.sync_status()
        progress = status["progress"]
        if (status["status"], progress["started_at"]) != ("completed", started_at):
            self.differences.append(f"the sync did not complete: {status}")
        if (progress["to_do"], progress["done"]) != (OBJECTS, OBJECTS):
            self.differences.append(f"the sync's figures are wrong: {progress}")
        self._system.events_lost = False
        self._compare(f"one sync, killed {dict(self._killer.killed)}, {redriven} dead letters redriven")

    def run_rounds(self, minutes: float) -> None:
        deadline = time.monotonic() + 60 * minutes
        number = 0
        while (seconds_left := deadline - time.monotonic()) > 0:
            number += 1
            # In every other round S3 sends all its events, and they alone must be enough.
            self._run_round(min(seconds_left, ROUND_SECONDS), lose_events=number % 2 == 0)
            name = f"round {number}, {dict(self._counts)}, killed {dict(self._killer.killed)}"
            redriven = self._system.wait_until_idle()
            if not self._system.events_lost:
                self._compare(f"{name}, {redriven} dead letters redriven, before a sync")
            self._system.start_sync()
            redriven += self._system.wait_until_idle()
            self._system.events_lost = False
            self._compare(f"{name}, {redriven} dead letters redriven")

    def _run_round(self, seconds: float, *, lose_events: bool) -> None:
        system = self._system
        started = time.monotonic()
        restart_times = sorted(self._rng.uniform(0, seconds) for _ in range(RESTARTS_PER_ROUND if lose_events else 0))
        changes: list[Callable[[int], None]] = [
            system.put, system.put, system.put_back, system.put_text, system.copy, system.delete, system.delete,
        ]  # fmt: skip
        commands = [
            system.start_sync, system.fire_schedule, system.cancel_sync, self._killer.kill_one, self._killer.kill_one,
        ]  # fmt: skip
        while (passed := time.monotonic() - started) < seconds:
            if restart_times and passed > restart_times[0]:
                restart_times.pop(0)
                self._count(system.restart)
                system.restart()
            elif self._rng.random() < 0.25:
                command = self._rng.choice(commands)
                self._count(command)
                command()
            else:
                silent = lose_events and self._rng.random() < 0.3
                self._change_object(self._rng.choice([*changes, system.send_old_event]), silent=silent)
            time.sleep(self._rng.uniform(0, 0.6))

    def _change_object(self, change: Callable[[int], None], *, silent: bool) -> None:
        self._count(change)
        number = self._rng.randrange(OBJECTS)
        if silent:
            with self._system.without_events():
                change(number)
        else:
            change(number)

    def _count(self, act: Callable[..., object]) -> None:
        self._counts[act.__name__] += 1

    def _compare(self, name: str) -> None:
        sentences = list(differences(self._system.deployment, self._system.emulator.folder / "vectors.sqlite"))
        print(f"{name}: {len(sentences)} differences", flush=True)
        self.differences += [f"{name}: {sentence}" for sentence in sentences]


def main() -> int:
    seed, minutes = int(os.environ.get("SEED", "1")), float(os.environ.get("MINUTES", "5"))
    with tempfile.TemporaryDirectory() as folder, Emulator(Path(folder), free_port()) as emulator:
        stress = StackStress(emulator, random.Random(seed))
        stress.run_sync()
        stress.run_rounds(minutes)
    print(f"seed {seed}")
    print("\n".join(stress.differences) or "bucket, catalogue and index are equal, the statistics exact")
    return 1 if stress.differences else 0


if __name__ == "__main__":
    sys.exit(main())
