"""The local system killed at random moments: ``make stress SUITE=local``.

Before each kill callers upload, delete, change the customer's bucket, search and sync. Then SIGKILL ends everything,
the emulator alone, the run alone, or the functions; or the machine stops, and the journal of the last seconds is lost.
The next run must be whole: bucket, catalogue, index, listing, searches and downloads equal, nothing twice, statistics
exact, and every change there that was answered, but for the machine's last two seconds. KILLS and SEED choose how many
kills there are, and what happens.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.admin.deployment import Deployment
from infra.emulator import Emulator
from infra.local_system import LocalSystem
from infra.localhost import free_port
from infra.recovery import DOCTOR_COMMAND
from tests.stress.local.callers import Callers
from tests.stress.local.comparison import faults
from tests.stress.local.run import LocalRun
from tests.stress.stack.system import System, wait_for

IDLE_SECONDS = 240
LOAD_SECONDS = (4, 10)  # from the first call to the kill


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill, and what was found afterwards. ``message`` is the run's own sentence about it."""

    number: int
    target: str
    load_seconds: float
    answered: str
    start_seconds: float
    idle_seconds: float
    message: str
    faults: Sequence[str]

    def __str__(self) -> str:
        return (
            f"kill {self.number}: {self.target} after {self.load_seconds:.1f} s; answered {self.answered}; "
            f"up in {self.start_seconds:.1f} s, idle in {self.idle_seconds:.1f} s; {len(self.faults)} faults"
            + (f"; {self.message}" if self.message else "")
        )


class LocalStress:
    def __init__(self, folder: Path, port: int, rng: random.Random) -> None:
        self._rng, self._folder = rng, folder
        self._emulator = Emulator(folder, port)  # for its clients: the run starts the emulator
        self._run = LocalRun(folder, port)
        self._targets: dict[str, Callable[[], None]] = {
            "everything": self._run.kill_everything,
            "the emulator": self._run.kill_emulator,
            "the run": self._run.kill_run,
            "the functions": self._run.kill_functions,
            "the machine": self._run.kill_machine,
        }
        system = self._run.start()
        self._deployment = Deployment(self._emulator.session(), self._emulator.endpoint, system.outputs)
        account = self._deployment.services.authentication.authenticate(f"Token {system.token}").account
        self._callers = Callers(self._emulator, system, account, rng)
        self._system = self._idle_system(system)
        self._system.shorten_visibility_timeouts()

    def kill(self, number: int, target: str) -> Kill:
        """Kill one target under load, start again, and compare."""
        load_seconds = self._rng.uniform(*LOAD_SECONDS)
        self._callers.answered.clear()
        self._callers.start()
        time.sleep(load_seconds)
        answers = self._callers.answers()
        self._targets[target]()
        if self._run.is_running:
            time.sleep(1)
        self._callers.stop()
        if target == "the machine":
            self._callers.forget_since(*answers)
        began = time.monotonic()
        message, complaints = "", []
        if not self._run.is_running:
            system = self._run.start()
            message = next((line for line in self._run.output if "last run" in line.lower()), "")
            complaints = [f"the run said: {line}" for line in self._run.output if DOCTOR_COMMAND in line]
            self._system = self._idle_system(system)
        started = time.monotonic()
        if target in ("the run", "the functions"):
            self._system.start_sync()  # it stopped by itself, or runs on: nothing has compared the bucket
        self._wait_until_idle()
        idle = time.monotonic()
        found = complaints + list(
            faults(
                self._deployment,
                self._system.stack,
                self._folder / "vectors.sqlite",
                self._callers.present,
                self._callers.absent,
            )
        )
        answered = ", ".join(f"{count} {kind}" for kind, count in sorted(self._callers.answered.items()))
        return Kill(number, target, load_seconds, answered, started - began, idle - started, message, found)

    def close(self) -> None:
        self._callers.stop()
        if self._run.is_running:
            self._run.stop()

    @property
    def targets(self) -> list[str]:
        return list(self._targets)

    def _idle_system(self, system: LocalSystem) -> System:
        return System(self._emulator, system, self._rng)

    def _wait_until_idle(self) -> None:
        """Twice in a row: between two looks a message may be on its way from one queue to the next."""
        for _ in range(2):
            wait_for(self._system.is_idle, IDLE_SECONDS)
            time.sleep(0.5)


def run(kills: int, seed: int, targets: Sequence[str] = ()) -> list[Kill]:
    """Kill a local system so often, each target in its turn; prints a line for each kill.

    Args:
        targets: by default all, each round in another order.
    """
    rng = random.Random(seed)
    done: list[Kill] = []
    with tempfile.TemporaryDirectory() as folder:
        stress = LocalStress(Path(folder) / "local", free_port(), rng)
        try:
            turns: list[str] = []
            for number in range(1, kills + 1):
                turns = turns or list(targets) or rng.sample(stress.targets, len(stress.targets))
                target = turns.pop(0)
                done.append(stress.kill(number, target))
                print(done[-1], flush=True)
                for fault in done[-1].faults:
                    print(f"  {fault}", flush=True)
        finally:
            stress.close()
    return done


def main() -> int:
    kills, seed = int(os.environ.get("KILLS", "20")), int(os.environ.get("SEED", "1"))
    began = time.monotonic()
    done = run(kills, seed)
    wrong = sum(len(kill.faults) for kill in done)
    slowest = max(kill.start_seconds for kill in done)
    print(
        f"figure local_kills {len(done)} kills, seed {seed}: {wrong} faults, slowest start {slowest:.1f} s, "
        f"{time.monotonic() - began:.0f} s in all"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
