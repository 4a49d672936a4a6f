"""``make mutants``: bugs put into a copy of the application, one at a time; the model test must find each.

Prints, of each mutant, in how many histories it was found, how long that took, and what was broken; ends with an error
if one survives. ``python -m tests.model.mutants WORD…`` tries those whose description has one of the words.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import figure

ROOT = Path(__file__).parents[2]
COPIED = ("chalicelib", "infra", "tests", "samples", "pyproject.toml")
HISTORIES, STEPS = "2500", "60"


@dataclass(frozen=True)
class Mutant:
    """``old`` stands once in ``file``, and becomes ``new``."""

    what: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "a refused write is taken for done",
        "chalicelib/services/pipeline/indexer.py",
        "        done.look_again |= stale\n",
        "",
    ),
    Mutant(
        "a look that asks for nothing leaves no trace",
        "chalicelib/services/pipeline/indexer.py",
        "                done.drafts.append("
        "replace(draft, record=replace(draft.record, updated_at=record.updated_at)))\n",
        "                done.standing.append(record)\n",
    ),
    Mutant(
        "an object that was never on record leaves no tombstone",
        "chalicelib/services/pipeline/indexer.py",
        "                done.drafts.append(replace(draft, record=removed(draft.record, *VANISHED)))\n",
        "                pass\n",
    ),
    Mutant(
        "a redelivered message does not fill the vector store again",
        "chalicelib/services/pipeline/indexer.py",
        "            done.drafts += "
        "[Draft(replace(r, version=next_version(r, self.now())), r) for r in done.standing]\n",
        "            pass\n",
    ),
    Mutant(
        "a record that was purged counts from one again",
        "chalicelib/domain/files.py",
        "    return max(record.version + 1 if record else 1, int(now.timestamp() * 1000))\n",
        "    return record.version + 1 if record else 1\n",
    ),
    Mutant(
        "sequencers are compared without padding",
        "chalicelib/domain/files.py",
        '    return sequencer.upper().ljust(SEQUENCER_WIDTH, "0")\n',
        "    return sequencer.upper().rjust(SEQUENCER_WIDTH, '0')\n",
    ),
    Mutant(
        "the model's stamp is not compared",
        "chalicelib/domain/sync_diff.py",
        "    if record.model != model:\n        return Kind.UPDATE\n",
        "",
    ),
    Mutant(
        "batches are sent before they are on record",
        "chalicelib/services/pipeline/sync_worker.py",
        """        self.syncs.save_progress(step, part, made, opened, self.now() + LEASE)
        self.queues.send_batches(sent)
""",
        """        self.queues.send_batches(sent)
        self.syncs.save_progress(step, part, made, opened, self.now() + LEASE)
""",
    ),
    Mutant(
        "what a worker put on record and never sent is forgotten",
        "chalicelib/services/pipeline/sync_worker.py",
        "        self.queues.send_batches(self.syncs.unsent_batches(step, part))\n",
        "",
    ),
    Mutant(
        "what was put on record at the very end of a part and never sent is forgotten",
        "chalicelib/services/pipeline/sync_worker.py",
        "        self.queues.send_batches(self.syncs.unsent_batches(step, part))\n",
        "        if not key_range.finished:\n            self.queues.send_batches(self.syncs.unsent_batches(step, part))\n",
    ),
    Mutant(
        "removals are sent while the bucket is still being listed",
        "chalicelib/services/pipeline/sync_worker.py",
        "        sent = [each.batch for each in opened if not each.held]\n",
        "        sent = [each.batch for each in opened]\n",
    ),
    Mutant(
        "nobody is asked before most of a collection is removed",
        "chalicelib/domain/syncs.py",
        "    return files >= confirm_from and removals * 2 > files\n",
        "    return False\n",
    ),
    Mutant(
        "a sync ends when the bucket has been listed",
        "chalicelib/domain/collections.py",
        "        return self.listed and self.outstanding == 0\n",
        "        return self.listed\n",
    ),
    Mutant(
        "a part that was walked to its end is not looked at again",
        "chalicelib/services/pipeline/sync_worker.py",
        "        self._after_the_walk(step, seconds_left)\n\n    def stretches",
        "        if not key_range.finished:\n            self._after_the_walk(step, seconds_left)\n\n    def stretches",
    ),
    Mutant(
        "the same bytes are embedded again",
        "chalicelib/services/pipeline/embeddings.py",
        "        known = self.catalogue.twins(list(dict.fromkeys(names))) if names else {}\n",
        "        known = {}\n",
    ),
    Mutant(
        "an object that was overwritten while it was read is taken for the one that was seen",
        "chalicelib/services/pipeline/embeddings.py",
        "                yield each, _record(each, result, place) if is_same else None\n",
        "                yield each, _record(each, result, place)\n",
    ),
    Mutant(
        "an object that cannot be read counts as gone",
        "chalicelib/services/pipeline/indexer.py",
        "        done.standing.append(previous)\n        done.unread.add(previous.key)\n",
        "        done.drafts.append(replace(draft, record=removed(record)))\n",
    ),
    Mutant(
        "a message that failed is taken for done",
        "chalicelib/workers.py",
        "            services.retries.failed(delivery, error)\n            raise\n",
        "            services.retries.failed(delivery, error)\n            return\n",
    ),
    Mutant(
        "a cancelled sync's batches end another's",
        "chalicelib/services/pipeline/indexer.py",
        "    return collection.sync.id != batch.sync or collection.sync.status is SyncStatus.CANCELLED\n",
        "    return collection.sync.status is not SyncStatus.COMPLETED\n",
    ),
    Mutant(
        "what a worker left half done in a sync that is no more stays so",
        "chalicelib/services/pipeline/indexer.py",
        "            if again:  # whoever had it before may have died between the two writes\n",
        "            if False:\n",
    ),
    Mutant(
        "an event is passed on to the first collection of its bucket alone",
        "chalicelib/services/pipeline/event_router.py",
        "        return [collection for collection in candidates if collection.holds(key)]\n",
        "        return [collection for collection in candidates if collection.holds(key)][:1]\n",
    ),
    Mutant(
        "what a plan has no room for is embedded all the same",
        "chalicelib/services/pipeline/indexer.py",
        "        admitted, waiting = ration.share_out(done.wanted)\n",
        "        admitted, waiting = done.wanted, []\n",
    ),
    Mutant(
        "a removed object that comes back takes no share",
        "chalicelib/services/pipeline/indexer.py",
        "        done.drafts = ration.admit(done.drafts, model)\n",
        "",
    ),
    Mutant(
        "what is indexed counts for its collection alone",
        "chalicelib/services/pipeline/indexer.py",
        "            return self.catalogue.save_all(drafts, ration.plan)\n",
        "            return self.catalogue.save_all(drafts)\n",
    ),
    Mutant(
        "no sync looks again at what a plan had no room for",
        "chalicelib/domain/sync_diff.py",
        "            if kind is None and record.over_plan and again > 0:\n",
        "            if kind is None and record.over_plan and again < 0:\n",
    ),
    Mutant(
        "the thumbnails of a file all lie in one place",
        "chalicelib/domain/files.py",
        '    return f"{file}/{uuid.uuid4().hex[:16]}"\n',
        "    return file\n",
    ),
    Mutant(
        "a thumbnail is not copied with the picture that is reused",
        "chalicelib/services/pipeline/embeddings.py",
        "        if not self.storage.copy_thumbnail(twin.collection, twin.thumbnail, record.collection, place):\n"
        "            return None\n",
        "",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """``said`` is what was broken; None where the test found nothing wrong."""

    said: str | None
    histories: int
    seconds: float


def main() -> int:
    survivors = 0
    wanted = sys.argv[1:]
    tried = [mutant for mutant in MUTANTS if not wanted or any(word in mutant.what for word in wanted)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, outcome in zip(tried, pool.map(_outcome, tried), strict=True):
            survivors += outcome.said is None
            verdict = "SURVIVED" if outcome.said is None else "found   "
            print(f"{verdict} {outcome.histories:5} histories {outcome.seconds:6.1f} s  {mutant.what}", flush=True)
            print(f"{'':33} {outcome.said or 'nothing was wrong'}", flush=True)
    figure("mutants", len(tried), "bugs")
    figure("mutants_survived", survivors, "bugs")
    return 1 if survivors else 0


def _outcome(mutant: Mutant) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        target = copy / mutant.file
        text = target.read_text()
        if text.count(mutant.old) != 1:
            raise SystemExit(f"The place of {mutant.what!r} is not in {mutant.file} any more.")
        target.write_text(text.replace(mutant.old, mutant.new))
        environment = os.environ | {
            "MODEL_HISTORIES": HISTORIES,
            "MODEL_STEPS": STEPS,
            "MODEL_SHRINK": "0",
            "PYTHONPATH": str(copy),
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            "tests/model/test_convergence.py",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--timeout=3600",  # a mutant that survives takes its time, and is not found by that
        ]
        began = time.monotonic()
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode not in (0, 1) or "error" in done.stdout.splitlines()[-1]:
            raise SystemExit(f"The test could not run:\n{done.stdout}{done.stderr}")
        lines = done.stdout.splitlines()
        if done.returncode == 0:
            return Outcome(None, int(HISTORIES), seconds)
        begun = [int(line.split()[0]) for line in lines if re.fullmatch(r"\d+ histories", line)]
        said = [line[1:].strip() for line in lines if re.match(r"E +[\w.]+(: |$)", line)]
        if not said or "Timeout" in said[0]:
            raise SystemExit(f"The test did not say what is wrong:\n{done.stdout[-5000:]}")
        return Outcome(said[0].removeprefix("tests.model.world.")[:160], begun[-1], seconds)


if __name__ == "__main__":
    sys.exit(main())
