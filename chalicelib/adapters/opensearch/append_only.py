"""Which document of a picture stands where ids are the service's own, as on Serverless: append, and resolve at reading.

No version can be compared there when something is written. So each write adds a document, a removal too, with its
record's version and the time of its writing; whoever reads asks for all documents of the pictures that it has met, and
takes a picture for what the highest of them says. A late write is then overtaken from the start, and one that was sent
twice is the same twice.

Whoever writes deletes what has been overtaken, unless it dies before; ``purge`` finds the rest. A document is deleted
only when searches see a higher one, or when its picture has been removed: the highest is never deleted, and no picture
is missing between two refreshes, whatever shards they lie on. Of documents that are the same twice, everybody keeps the
one whose id is the smallest.
"""

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from chalicelib.adapters.opensearch import queries as queries
from chalicelib.adapters.opensearch.bulk import Outcome, Write, delete, write
from chalicelib.adapters.opensearch.client import OpenSearchCalls, RequestRejected
from chalicelib.adapters.opensearch.documents import SCAN_PAGE, owners
from chalicelib.adapters.opensearch.indexes import Index
from chalicelib.adapters.opensearch.mappings import Json
from chalicelib.adapters.opensearch.queries import Candidate, Revision
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import Hit

RECENT_WRITES = 1_000  # writes that a process remembers, to wait for them: enough to lie on every shard
VISIBILITY_TIMEOUT_SECONDS = 180.0  # three times the longest refresh interval, that of Classic collections
FIRST_POLL_SECONDS, POLL_SECONDS = 0.01, 1.0


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document that is there; ``removed_at`` is a tombstone's time in milliseconds."""

    uuid: str
    rank: Revision
    id: str
    removed_at: int | None

    @property
    def place(self) -> tuple[int, int, str]:
        """The first of a picture's is the one that stands."""
        return -self.rank[0], -self.rank[1], self.id


class AppendOnlyDocuments:
    """Args:
    patience: seconds for which a write waits at most until searches see it.
    now: the time in seconds, by which writes of one version are told apart.
    """

    supports_ef_search = False
    rejects_stale_writers = False

    def __init__(
        self,
        calls: OpenSearchCalls,
        *,
        patience: float = 0.0,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._calls = calls
        self._patience = patience
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._last = 0
        self._recent: dict[str, deque[tuple[str, Revision]]] = defaultdict(lambda: deque(maxlen=RECENT_WRITES))

    def write(self, writes: Sequence[Write], *, wait: bool) -> Outcome:
        outcome = write(self._calls, [replace(each, written=self._stamp()) for each in writes], _lines, {})
        by_index: dict[str, list[Write]] = defaultdict(list)
        with self._lock:
            for each in outcome.written:
                by_index[each.index.name].append(each)
                self._recent[each.index.name].append((each.uuid, _rank(each)))
        if wait:
            for index, mine in by_index.items():
                self.tidy(index, mine, self._seen(index, [(each.uuid, _rank(each)) for each in mine], self._patience))
        return outcome

    def settle(self, index: Index) -> None:
        with self._lock:
            recent = list(self._recent[index.name])
        seen = self._seen(index.name, recent, VISIBILITY_TIMEOUT_SECONDS)
        if not _all_there(recent, seen):
            raise StoreUnavailable(f"{index.name} does not show what was written to it.")

    def standing(self, where: str, met: Sequence[Candidate], vector: Sequence[float], within: float) -> list[Hit]:
        tops = {uuid: kept[0] for uuid, kept in self._kept(where, {each.hit.uuid for each in met}).items()}
        # Another copy of the index may answer, which has not seen yet what the first one has.
        highest: dict[str, Revision] = {}
        for each in met:
            highest[each.hit.uuid] = max(each.rank, highest.get(each.hit.uuid, each.rank))
        overtaken = {uuid: top for uuid, top in tops.items() if top.rank > highest[uuid]}
        found = {each.hit.uuid: each.hit for each in met if each.rank == highest[each.hit.uuid]}
        found = {uuid: hit for uuid, hit in found.items() if uuid not in overtaken}
        # What has come between the two looks was not met, and would be missing from both.
        come = [top for top in overtaken.values() if top.removed_at is None]
        found |= {hit.uuid: hit for hit in self._compared(where, come, vector) if hit.distance <= within}
        return sorted(found.values(), key=queries.place)

    def _compared(self, where: str, tops: Sequence[StoredDocument], vector: Sequence[float]) -> Iterator[Hit]:
        """Documents with their distance from a vector."""
        if not tops:
            return
        ids = {top.id for top in tops}
        for page in self._pages(where, queries.of([top.uuid for top in tops]), {"_source": True}):
            for each in page:
                if each["_id"] in ids:
                    cosine = sum(a * b for a, b in zip(vector, each["_source"]["vector"], strict=True))
                    yield queries.hit(each["_source"], queries.rounded(1 - cosine))

    def count(self, index: str, wanted: Json) -> int:
        return sum(map(len, self.walk(index, wanted)))

    def versions(self, index: str, uuids: Sequence[str]) -> dict[str, int]:
        held = {uuid: kept[0].rank[0] for uuid, kept in self._kept(index, uuids).items()}
        asked = set(uuids)
        with self._lock:
            # What was written a moment ago is there, though searches do not see it yet.
            recent = [(uuid, rank[0]) for uuid, rank in self._recent[index] if uuid in asked]
        for uuid, version in recent:
            held[uuid] = max(version, held.get(uuid, version))
        return held

    def vectors(self, index: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        tops = {kept[0].id: kept[0] for kept in self._kept(index, uuids).values() if kept[0].removed_at is None}
        wanted = {"bool": {"filter": [queries.of(uuids), {"exists": {"field": "account"}}]}}
        return {
            tops[each["_id"]].uuid: (tops[each["_id"]].rank[0], queries.vector_bytes(each["_source"]["vector"]))
            for page in self._pages(index, wanted, {"_source": ["vector"]})
            for each in page
            if each["_id"] in tops
        }

    def owners(self, index: str) -> Iterator[tuple[str, str]]:
        return owners(self._calls, index)

    def walk(self, index: str, wanted: Json) -> Iterator[list[tuple[str, int]]]:
        last = ""
        for page in self._pages(index, wanted):
            kept = self._kept(index, {each["sort"][0] for each in page} - {last})
            yield [(uuid, of[0].rank[0]) for uuid, of in kept.items() if of[0].removed_at is None]
            last = page[-1]["sort"][0]

    def purge(self, index: str, before: float) -> int:
        overtaken: list[str] = []
        old: list[str] = []
        everything = (_read(each) for page in self._pages(index, {"match_all": {}}) for each in page)
        for _, group in groupby(everything, key=lambda each: each.uuid):
            top, *others = sorted(group, key=lambda each: each.place)
            overtaken += [each.id for each in others]
            # A tombstone stays for as long as searches see what it has overtaken: the next purge finds it alone.
            if not others and top.removed_at is not None and top.removed_at < before * 1000:
                old.append(top.id)
        delete(self._calls, index, overtaken)
        return delete(self._calls, index, old)

    def _seen(
        self, index: str, written: Sequence[tuple[str, Revision]], seconds: float
    ) -> dict[str, list[StoredDocument]]:
        """All documents of the pictures, once searches see what was written of them, or the time is over."""
        until, pause = time.monotonic() + seconds, FIRST_POLL_SECONDS
        while True:
            kept = self._kept(index, {uuid for uuid, _ in written})
            if _all_there(written, kept) or time.monotonic() >= until:
                return kept
            self._sleep(pause)
            pause = min(2 * pause, POLL_SECONDS)

    def tidy(self, index: str, written: Sequence[Write], seen: Mapping[str, list[StoredDocument]]) -> None:
        """Delete what these writes have overtaken, as far as it can be told from what searches see."""
        doomed = {each.id for kept in seen.values() for each in kept[1:]}
        for each in written:
            top = seen[each.uuid][0] if each.uuid in seen else None
            if top and top.rank > _rank(each):
                doomed.add(each.id)
            elif top and top.rank < _rank(each) and each.removal and top.removed_at is None:
                doomed.add(top.id)
        if doomed:
            # It is no part of the write, and is made up for by a later one of the picture, or by `purge`.
            with suppress(StoreUnavailable, RequestRejected):
                delete(self._calls, index, sorted(doomed))

    def _kept(self, where: str, uuids: Iterable[str]) -> dict[str, list[StoredDocument]]:
        """All documents of these pictures, by uuid; the one that stands is the first of each."""
        found: dict[str, list[StoredDocument]] = defaultdict(list)
        asked = sorted(set(uuids))
        for first in range(0, len(asked), SCAN_PAGE):
            for page in self._pages(where, queries.of(asked[first : first + SCAN_PAGE])):
                for each in map(_read, page):
                    found[each.uuid].append(each)
        return {uuid: sorted(kept, key=lambda each: each.place) for uuid, kept in found.items()}

    def _pages(self, where: str, wanted: Json, shown: Json | None = None) -> Iterator[list[Json]]:
        """The documents that pass a filter, the highest of each picture first, with nothing but their places."""
        body: Json = {
            "query": wanted,
            "size": SCAN_PAGE,
            "sort": [{"uuid": "asc"}, {"version": "desc"}, {"written": "desc"}],
            "_source": False,
            "docvalue_fields": [{"field": "removed_at", "format": "epoch_millis"}],
            **(shown or {}),
        }
        while True:
            found = self._calls.ask("POST", f"/{where}/_search", body, seconds=60)["hits"]["hits"]
            if found:
                yield found
            if len(found) < SCAN_PAGE:
                return
            body["search_after"] = found[-1]["sort"]

    def _stamp(self) -> int:
        with self._lock:
            self._last = max(self._last + 1, round(self._now() * 1_000_000))
            return self._last


def _rank(each: Write) -> Revision:
    return each.version, each.written


def _read(found: Json) -> StoredDocument:
    uuid, version, written = found["sort"]
    removed_at = found.get("fields", {}).get("removed_at")
    return StoredDocument(uuid, (version, written), found["_id"], int(removed_at[0]) if removed_at else None)


def _all_there(written: Iterable[tuple[str, Revision]], kept: Mapping[str, Sequence[StoredDocument]]) -> bool:
    """Whether each of these writes is there, or one that has overtaken it."""
    return all(uuid in kept and kept[uuid][0].rank >= rank for uuid, rank in written)


def _lines(each: Write) -> str:
    where = json.dumps({"_index": each.index.name})
    return f'{{"index":{where}}}\n{{"version":{each.version},"written":{each.written},{each.source[1:]}\n'
