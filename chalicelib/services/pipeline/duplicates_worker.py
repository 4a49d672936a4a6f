"""Finds the duplicates of a collection: reads its files, sorts them by content, and compares each content once.

A worker goes on until its time runs low, saves how far it has come, and sends the message on. Files of the same bytes
lie together once they are sorted; for the others the vector store is asked for what is near each picture. So the work
grows with the number of files, and none of it is lost or done twice: a content that has a group is claimed in the
transaction that writes the group, and only the worker that has acquired the scan writes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from operator import attrgetter

from chalicelib.domain.collections import Collection
from chalicelib.domain.duplicate_groups import (
    GROUP_CONTENTS_MAX,
    GROUP_READ_MAX,
    DuplicateGroup,
    DuplicatesScan,
    GroupFile,
    ScanPhase,
    content_id,
    duplicate_group,
    group_file,
)
from chalicelib.domain.duplicates import MAX_SAME_DISTANCE, Tier, look_alike, significant_bits, similar_distance
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.messages import DuplicatesStep, next_continuation
from chalicelib.domain.vectors import Hit, SearchOptions, VectorQuery
from chalicelib.services.calibrations import CalibrationReader
from chalicelib.services.ports import Catalogue, Clock, Collections, Duplicates, Queues, VectorStore

NEIGHBOUR_PAGES = 5  # of files near a picture, that are read; the nearest may all be of the same bytes
CANDIDATES = 3  # files of a content one of which still has its bytes, if any has


@dataclass(frozen=True, slots=True)
class Content:
    """Files of the same bytes, as far as a group lists them; ``read`` is how many were read of them.

    ``group`` is theirs if there are several.
    """

    id: str
    files: tuple[GroupFile, ...]
    group: DuplicateGroup | None
    read: int


@dataclass(frozen=True, slots=True)
class DuplicatesWorker:
    """Args:
    files_at_once: of the catalogue, read between two looks at the clock.
    contents_at_once: of which the records are read together; the worker looks at the clock after each of them.
    neighbours_at_once: files near a picture that one request returns.
    """

    collections: Collections
    catalogue: Catalogue
    vectors: VectorStore
    calibrations: CalibrationReader
    duplicates: Duplicates
    queues: Queues
    now: Clock
    files_at_once: int = 200
    contents_at_once: int = 25
    neighbours_at_once: int = 100

    def run(self, step: DuplicatesStep, seconds_left: Callable[[], float]) -> None:
        """Go on with a scan until it is done or the time is up; then the message is sent on for the rest.

        Raises:
            ContinuationLimit: it was sent on too often.
            StaleWrite: another worker goes on with the scan.
        """
        collection = self.collections.get(step.account, step.collection)
        if collection is None:
            return  # deleted, and all of the scan with it
        scan = self.duplicates.acquire(step, self.now())
        while scan is not None:
            if seconds_left() <= 0:
                continued = replace(step, continuation=next_continuation(step.continuation))
                self.queues.send_duplicates_step(continued)
                return
            scan = self._advance(collection, scan, seconds_left)

    def _advance(
        self, collection: Collection, scan: DuplicatesScan, seconds_left: Callable[[], float]
    ) -> DuplicatesScan | None:
        """Do a part of the work; returns the scan as it is then, None once all is done."""
        match scan.phase:
            case ScanPhase.FILES:
                return self._read_files(collection, scan)
            case ScanPhase.CONTENTS:
                return self._compare_contents(collection, scan, seconds_left)
            case ScanPhase.ENDED:
                return scan if self.duplicates.delete_replaced_page(collection.uuid, scan) else None

    def _read_files(self, collection: Collection, scan: DuplicatesScan) -> DuplicatesScan:
        page = self.catalogue.page(collection.uuid, FileState.INDEXED, after=scan.after, limit=self.files_at_once)
        files = [group_file(record) for record in page.records if record.embedding is not None]
        self.duplicates.add_files(collection.uuid, scan, files)
        phase = ScanPhase.FILES if page.after is not None else ScanPhase.CONTENTS
        return self._saved(collection, replace(scan, phase=phase, after=page.after, files=scan.files + len(files)))

    def _compare_contents(
        self, collection: Collection, scan: DuplicatesScan, seconds_left: Callable[[], float]
    ) -> DuplicatesScan:
        contents = self._next_contents(collection, scan)
        if not contents:
            return self.duplicates.finish(collection.uuid, scan, self.now())
        records = self._records(collection, contents)
        for content in contents:
            if content.group is not None:
                self.duplicates.add_group(collection.uuid, scan, content.group, ())
            if content.id in records:
                self._add_groups(collection, scan, content.id, records[content.id])
            if seconds_left() <= 0:
                break
        return self._saved(collection, replace(scan, after=content.id))

    def _next_contents(self, collection: Collection, scan: DuplicatesScan) -> list[Content]:
        """Some contents, for which fewer than two times ``GROUP_READ_MAX`` files are read."""
        contents: list[Content] = []
        read = 0
        for content in islice(self._contents(collection, scan), self.contents_at_once):
            contents.append(content)
            read += content.read
            if read >= GROUP_READ_MAX:
                break
        return contents

    def _contents(self, collection: Collection, scan: DuplicatesScan) -> Iterator[Content]:
        """The contents behind the last one that is done; of each ``GROUP_READ_MAX`` files at most are read."""
        after, is_cut = scan.after, True
        while is_cut:
            is_cut = False
            files = self.duplicates.files(collection.uuid, scan, after)
            for after, same in groupby(files, attrgetter("content")):
                group = duplicate_group(Tier.IDENTICAL, after, islice(same, GROUP_READ_MAX))
                yield Content(after, group.files, group if group.count > 1 else None, group.count)
                is_cut = group.count == GROUP_READ_MAX
                if is_cut:  # go on behind the content, without its other files
                    break

    def _records(self, collection: Collection, contents: Iterable[Content]) -> dict[str, FileRecord]:
        """A record of each content that still has it."""
        candidates = [file for content in contents for file in content.files[:CANDIDATES]]
        records = self.catalogue.get_many(collection.uuid, [file.key for file in candidates])
        found: dict[str, FileRecord] = {}
        for file in candidates:
            record = records.get(file.key)
            if record is not None and file.is_current(record):
                found.setdefault(file.content, record)
        return found

    def _add_groups(self, collection: Collection, scan: DuplicatesScan, content: str, record: FileRecord) -> None:
        """Write the groups that the content leads: of all that is near, what no other group has."""
        near = self._near(collection, content, record)
        same = {other for other, tier in near.items() if tier is Tier.SAME}
        for tier, others in ((Tier.SAME, same), (Tier.SIMILAR, set(near))):
            claims = [(tier, content), *((tier, other) for other in near if other in others)]
            claimed = self.duplicates.claimed(collection.uuid, scan, claims) if len(claims) > 1 else set(claims)
            if (tier, content) in claimed:
                continue
            free = [other for _, other in claims[1:] if (tier, other) not in claimed]
            # A group of which all files show one picture is of the closer tier.
            if not free or (tier is Tier.SIMILAR and set(free) <= same):
                continue
            self._add_group(collection, scan, tier, [content, *free])

    def _add_group(self, collection: Collection, scan: DuplicatesScan, tier: Tier, contents: Sequence[str]) -> None:
        files: list[GroupFile] = []
        present = []
        for content in contents[:GROUP_CONTENTS_MAX]:
            # One that was indexed since the scan has read the files is in the next scan.
            found = self.duplicates.files_of(collection.uuid, scan, content, GROUP_READ_MAX - len(files))
            if found:
                files += found
                present.append(content)
            if len(files) >= GROUP_READ_MAX:
                break
        if len(present) > 1:
            self.duplicates.add_group(collection.uuid, scan, duplicate_group(tier, contents[0], files), present)

    def _near(self, collection: Collection, content: str, record: FileRecord) -> dict[str, Tier]:
        """The contents near a picture, the nearest first, with their tiers."""
        embedding = record.embedding
        assert embedding is not None
        bits = significant_bits(embedding.perceptual_hash)
        similar = similar_distance(self.calibrations.read(record.account, embedding.model), embedding.vector)
        near: dict[str, Tier] = {}
        options = SearchOptions(
            limit=self.neighbours_at_once, collections=(collection.uuid,), max_distance=max(MAX_SAME_DISTANCE, similar)
        )
        query = VectorQuery(account=record.account, vector=embedding.vector, model=embedding.model, options=options)
        for hit in self._hits(query):
            other = content_id(hit.file.md5, hit.file.size)
            if other == content or other in near:
                continue
            if hit.distance <= MAX_SAME_DISTANCE and look_alike(bits, significant_bits(hit.file.perceptual_hash)):
                near[other] = Tier.SAME
            elif hit.distance <= similar:
                near[other] = Tier.SIMILAR
        return near

    def _hits(self, query: VectorQuery) -> Iterator[Hit]:
        for _ in range(NEIGHBOUR_PAGES):
            hits = self.vectors.search(query)
            yield from hits
            if len(hits) < self.neighbours_at_once:
                return
            query = replace(query, options=replace(query.options, after=hits[-1].position))

    def _saved(self, collection: Collection, scan: DuplicatesScan) -> DuplicatesScan:
        self.duplicates.save(collection.uuid, scan, self.now())
        return scan
