"""``make stress SUITE=mutants``: bugs in copies of the application, one in each; the model test must find them all.

Prints, for each mutant, how many histories were needed to find it, how long that took, and what was broken. Ends
with an error if one survives. ``python -m tests.model.mutants WORD…`` runs those whose description has such a word.
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
COPIED_PATHS = ("chalicelib", "embedder_container", "infra", "tests", "samples", "pyproject.toml")
HISTORIES, STEPS = "2500", "60"


@dataclass(frozen=True)
class Mutant:
    """Replaces ``old``, which is in ``file`` once, by ``new``."""

    what: str
    file: str
    old: str
    new: str


MUTANTS = (
    Mutant(
        "a refused write counts as done",
        "chalicelib/services/pipeline/indexer.py",
        "        return plan.outcomes(stale), plan.recheck | stale\n",
        "        return plan.outcomes(stale), plan.recheck\n",
    ),
    Mutant(
        "an unchanged record is not written",
        "chalicelib/domain/index_plan.py",
        "        record = replace(record, updated_at=previous.updated_at)\n",
        "        return IndexPlan(unchanged=(previous,))\n",
    ),
    Mutant(
        "an object that vanished without a record leaves no tombstone",
        "chalicelib/domain/index_plan.py",
        "        record = record.as_removed(*VANISHED)\n",
        "        return IndexPlan()\n",
    ),
    Mutant(
        "a redelivered message does not fill the vector store again",
        "chalicelib/services/pipeline/indexer.py",
        "            plan = plan.with_unchanged_rewritten(self.now())\n",
        "            pass\n",
    ),
    Mutant(
        "the versions of a record that was purged begin at one again",
        "chalicelib/domain/files.py",
        "    return int(now.timestamp() * 1000)\n",
        "    return 1\n",
    ),
    Mutant(
        "sequencers are compared without padding",
        "chalicelib/domain/sequencers.py",
        '    return sequencer.upper().ljust(SEQUENCER_WIDTH, "0")\n',
        "    return sequencer.upper().rjust(SEQUENCER_WIDTH, '0')\n",
    ),
    Mutant(
        "the model version is not compared",
        "chalicelib/domain/file_actions.py",
        "    if entry.model != model:\n        return Action.REEMBED\n",
        "",
    ),
    Mutant(
        "batches are sent before they are stored",
        "chalicelib/services/pipeline/sync_worker.py",
        """        self.syncs.save_progress(step, key_range, increment, pending_batches, self.now() + SYNC_LEASE)
        self.queues.send_batches(sent)
""",
        """        self.queues.send_batches(sent)
        self.syncs.save_progress(step, key_range, increment, pending_batches, self.now() + SYNC_LEASE)
""",
    ),
    Mutant(
        "batches that a worker stored and did not send are forgotten",
        "chalicelib/services/pipeline/sync_worker.py",
        "        self.queues.send_batches(self.syncs.unsent_batches(step, key_range))\n",
        "",
    ),
    Mutant(
        "batches that were stored at the very end of a key range and not sent are forgotten",
        "chalicelib/services/pipeline/sync_worker.py",
        "        self.queues.send_batches(self.syncs.unsent_batches(step, key_range))\n",
        "        if not key_range.finished:\n"
        "            self.queues.send_batches(self.syncs.unsent_batches(step, key_range))\n",
    ),
    Mutant(
        "removals are sent while the bucket is still being listed",
        "chalicelib/services/pipeline/sync_worker.py",
        "        sent = [pending.batch for pending in pending_batches if not pending.deferred]\n",
        "        sent = [pending.batch for pending in pending_batches]\n",
    ),
    Mutant(
        "a sync does not ask before it removes most of a collection",
        "chalicelib/domain/syncs.py",
        "    return files >= confirmation_min_files and removals * 2 > files\n",
        "    return False\n",
    ),
    Mutant(
        "a sync ends when the bucket has been listed",
        "chalicelib/domain/collections.py",
        "        return self.listed and self.outstanding == 0\n",
        "        return self.listed\n",
    ),
    Mutant(
        "a finished key range does not check whether it was the last",
        "chalicelib/services/pipeline/sync_worker.py",
        "        self._finish_listing(step, seconds_left)\n\n    def retry_budget",
        "        if not key_range.finished:\n"
        "            self._finish_listing(step, seconds_left)\n\n    def retry_budget",
    ),
    Mutant(
        "the same bytes are embedded again",
        "chalicelib/services/pipeline/embeddings.py",
        "        images = self.known_images.find(content_keys)\n",
        "        images = {}\n",
    ),
    Mutant(
        "an object that was overwritten while it was embedded counts as the one that was seen",
        "chalicelib/services/pipeline/embeddings.py",
        "                yield request, EmbeddedImage(result, thumbnail) if is_same else None\n",
        "                yield request, EmbeddedImage(result, thumbnail)\n",
    ),
    Mutant(
        "an object that cannot be read counts as removed",
        "chalicelib/domain/index_plan.py",
        "        return IndexPlan(unchanged=(previous,), unreadable=frozenset({previous.key}))\n",
        "        return IndexPlan(writes=(replace(write, record=record.as_removed()),))\n",
    ),
    Mutant(
        "a failed message counts as done",
        "chalicelib/workers.py",
        "value=1)\n            raise\n",
        "value=1)\n            return\n",
    ),
    Mutant(
        "the batches of a running sync are skipped as if it had been cancelled",
        "chalicelib/services/pipeline/indexer.py",
        "    return collection.sync.id != batch.sync or collection.sync.status is SyncStatus.CANCELLED\n",
        "    return collection.sync.status is not SyncStatus.COMPLETED\n",
    ),
    Mutant(
        "a half-finished write of an ended sync is not repaired",
        "chalicelib/services/pipeline/indexer.py",
        "            if redelivered:  # the earlier worker may have died between its two writes\n",
        "            if False:\n",
    ),
    Mutant(
        "an event reaches only the first collection of its bucket",
        "chalicelib/services/pipeline/event_router.py",
        "            for collection in candidates:\n",
        "            for collection in [c for c in candidates if c.holds(key)][:1]:\n",
    ),
    Mutant(
        "what the patterns drop stays in the index",
        "chalicelib/domain/index_plan.py",
        "    return s3_object if collection.selects(key, size) else None\n",
        "    return s3_object\n",
    ),
    Mutant(
        "a sync indexes what the patterns drop",
        "chalicelib/domain/sync_diff.py",
        "        if not is_selected:\n            s3_object = None\n",
        "",
    ),
    Mutant(
        "a failed file that is indexed at last still counts as failed",
        "chalicelib/domain/files.py",
        "        delta.subtract([self.previous.unindexed if self.previous else None])\n",
        "",
    ),
    Mutant(
        "objects that exceed the plan are embedded all the same",
        "chalicelib/services/pipeline/indexer.py",
        "        allocated, waiting = allocator.allocate(plan.to_embed)\n",
        "        allocated, waiting = list(plan.to_embed), []\n",
    ),
    Mutant(
        "a returned object takes no quota",
        "chalicelib/services/pipeline/indexer.py",
        "        plan = replace(plan, writes=tuple(allocator.reserve(plan.writes, model)))\n",
        "",
    ),
    Mutant(
        "indexed files count for their collection alone",
        "chalicelib/services/pipeline/indexer.py",
        "            return self.catalogue.save_all(writes, allocator.plan)\n",
        "            return self.catalogue.save_all(writes)\n",
    ),
    Mutant(
        "no sync retries the files that were over the plan's limit",
        "chalicelib/domain/sync_diff.py",
        "        if entry.over_plan and self.over_plan > 0:\n",
        "        if entry.over_plan and self.over_plan < 0:\n",
    ),
    Mutant(
        "no sync retries the files whose bucket refused them",
        "chalicelib/domain/sync_diff.py",
        "        if entry.retry_at is not None and self.waiting > 0 and (",
        "        if entry.retry_at is not None and self.waiting < 0 and (",
    ),
    Mutant(
        "messages that fail together count as done",
        "chalicelib/services/pipeline/message_groups.py",
        "        return dict.fromkeys(messages, outcome)\n",
        "        return dict.fromkeys(messages)\n",
    ),
    Mutant(
        "of messages that are applied together only the first is",
        "chalicelib/services/pipeline/change_worker.py",
        "            batch = replace(batch, hints=tuple(hints))\n",
        "            batch = replace(batch, hints=tuple(hints[:1]))\n",
    ),
    Mutant(
        "of events that are routed together only the first is",
        "chalicelib/services/pipeline/event_router.py",
        "self.route(e for events in several for e in events)",
        "self.route(several[0])",
    ),
    Mutant(
        "messages for which no time is left count as done",
        "chalicelib/services/pipeline/change_worker.py",
        "                self._postpone(change)\n",
        "                pass\n",
    ),
    Mutant(
        "all thumbnails of a file have the same key",
        "chalicelib/domain/files.py",
        '    return f"{file}/{uuid.uuid4().hex[:16]}"\n',
        "    return file\n",
    ),
    Mutant(
        "the thumbnail of a reused image is not copied",
        "chalicelib/services/pipeline/embeddings.py",
        "        copied = self.storage.copy_thumbnails(copies) if copies else []\n",
        "        copied = [True] * len(copies)\n",
    ),
    Mutant(
        "an image is stored after the record that refers to it",
        "chalicelib/services/pipeline/indexer.py",
        """        if records := with_new_images(writes):
            self.catalogue.put_images(records)
        try:
            return self.catalogue.save_all(writes, allocator.plan)
""",
        """        try:
            stale = self.catalogue.save_all(writes, allocator.plan)
            self.catalogue.put_images([r for r in with_new_images(writes) if r.key not in stale])
            return stale
""",
    ),
    Mutant(
        "an image is deleted before the record that refers to it is replaced",
        "chalicelib/services/pipeline/indexer.py",
        "            stale = self._save(plan.writes, allocator) if plan.writes else set()\n",
        "            self.embeddings.delete_unused(plan.writes, set())\n"
        "            stale = self._save(plan.writes, allocator) if plan.writes else set()\n",
    ),
    Mutant(
        "an image of a file has no name of its own",
        "chalicelib/domain/file_images.py",
        '    return thumbnail.rpartition("/")[2] if thumbnail is not None else NO_THUMBNAIL\n',
        "    return NO_THUMBNAIL\n",
    ),
    Mutant(
        "a purge looks for images after its write",
        "chalicelib/services/pipeline/purge.py",
        "            self.catalogue.delete_images([image for each in written for image in images[each.record.uuid]])\n",
        "            self.catalogue.delete_images(self.catalogue.images_of([each.record.uuid for each in written]))\n",
    ),
    Mutant(
        "the tombstone that a purge empties has the version of a new record",
        "chalicelib/services/pipeline/purge.py",
        "version=record.version + 1)\n",
        "version=record.next_version(self.now()))\n",
    ),
    Mutant(
        "a purge deletes images although its write was refused",
        "chalicelib/services/pipeline/purge.py",
        "            self.catalogue.delete_images([image for each in written for image in images[each.record.uuid]])\n",
        "            self.catalogue.delete_images([image for each in writes for image in images[each.record.uuid]])\n",
    ),
    Mutant(
        "a purge deletes the record before its images",
        "chalicelib/services/pipeline/purge.py",
        "            written = self._save(writes)\n",
        "            written = [write for write in writes if self.catalogue.delete(write.previous)]\n",
    ),
    Mutant(
        "the images of a purged file stay",
        "chalicelib/services/pipeline/purge.py",
        "            self.catalogue.delete_images([image for each in written for image in images[each.record.uuid]])\n",
        "",
    ),
    Mutant(
        "images are deleted whose record is yet to be written",
        "chalicelib/services/maintenance/orphaned_images.py",
        "self.now() - ORPHAN_MIN_AGE",
        "self.now() + ORPHAN_MIN_AGE",
    ),
    Mutant(
        "images that no record names stay",
        "chalicelib/services/maintenance/orphaned_images.py",
        "        return sum(self.inventory.delete_orphan(orphan) for orphan in page.orphans)\n",
        "        return 0\n",
    ),
    Mutant(
        "a sync that has begun without an answer goes on without a message",
        "chalicelib/services/syncs.py",
        "            # when the lease expires.\n            self._end(",
        "            (lambda *_: None)(",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """``violation`` is what the test found; None if it found nothing."""

    violation: str | None
    histories: int
    seconds: float


def main() -> int:
    survivors = 0
    words = sys.argv[1:]
    mutants = [mutant for mutant in MUTANTS if not words or any(word in mutant.what for word in words)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, outcome in zip(mutants, pool.map(_outcome, mutants), strict=True):
            survivors += outcome.violation is None
            verdict = "SURVIVED" if outcome.violation is None else "found   "
            print(f"{verdict} {outcome.histories:5} histories {outcome.seconds:6.1f} s  {mutant.what}", flush=True)
            print(f"{'':33} {outcome.violation or 'no violation'}", flush=True)
    figure("mutants", len(mutants), "bugs")
    figure("mutants_survived", survivors, "bugs")
    return 1 if survivors else 0


def _outcome(mutant: Mutant) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED_PATHS:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        target = copy / mutant.file
        text = target.read_text()
        if text.count(mutant.old) != 1:
            raise SystemExit(f"The line of {mutant.what!r} is not in {mutant.file} once. Update the mutant.")
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
            "--timeout=3600",  # a mutant that survives takes long, and a timeout would count as a find
        ]
        started = time.monotonic()
        process = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - started
        if process.returncode not in (0, 1) or "error" in process.stdout.splitlines()[-1]:
            raise SystemExit(f"The test could not run:\n{process.stdout}{process.stderr}")
        lines = process.stdout.splitlines()
        if process.returncode == 0:
            return Outcome(None, int(HISTORIES), seconds)
        histories = [int(line.split()[0]) for line in lines if re.fullmatch(r"\d+ histories", line)]
        violations = [line[1:].strip() for line in lines if re.match(r"E +[\w.]+(: |$)", line)]
        if not violations or "Timeout" in violations[0]:
            raise SystemExit(f"The test did not say what is wrong:\n{process.stdout[-5000:]}")
        return Outcome(violations[0].removeprefix("tests.model.world.")[:160], histories[-1], seconds)


if __name__ == "__main__":
    sys.exit(main())
