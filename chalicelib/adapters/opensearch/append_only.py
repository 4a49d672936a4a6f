"""Append-only documents for Serverless, which assigns ids itself: each write adds one, reads keep the highest version.

Serverless cannot compare versions when it writes. So each write, also a removal, adds a document with its record's
version and the time of the write. A read looks up all documents of the pictures that it found, and keeps for each
picture the one with the highest revision. A late write is superseded from the start, and a repeated one changes
nothing.

A writer deletes the documents that it supersedes, unless it crashes before; ``purge`` deletes the rest. A document is
deleted only when searches see a higher one, or when its picture has been removed: the highest is never deleted, and no
picture is missing between two refreshes, whatever shards its documents are on. Of documents with the same revision,
every process keeps the one with the smallest id.
"""

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby

from chalicelib.adapters.opensearch import queries
from chalicelib.adapters.opensearch.bulk import Outcome, Write, bulk_delete, bulk_write
from chalicelib.adapters.opensearch.client import OpenSearchClient
from chalicelib.adapters.opensearch.documents import SCAN_PAGE_SIZE, SCAN_TIMEOUT_SECONDS, owners
from chalicelib.adapters.opensearch.errors import RequestRejected
from chalicelib.adapters.opensearch.indexes import Index
from chalicelib.adapters.opensearch.mappings import Json
from chalicelib.adapters.opensearch.queries import Candidate, Revision
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import Hit, VectorQuery, rounded_distance, unit_vector

RECENT_WRITES = 1_000  # writes of an index that a process remembers, to wait for them: enough to be on every shard
VISIBILITY_TIMEOUT_SECONDS = 180.0  # three times the longest refresh interval, that of Classic collections
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.01, 1.0


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document in an index; ``removed_at`` is the time of a tombstone's removal in milliseconds."""

    uuid: str
    revision: Revision
    id: str
    removed_at: int | None

    @property
    def precedence(self) -> tuple[int, int, str]:
        """Of a picture's documents, the one with the lowest precedence is current."""
        return -self.revision.version, -self.revision.written_at, self.id


class AppendOnlyDocuments:
    """Args:
    visibility_wait: seconds that an awaited write waits at most until searches see it.
    now: the time in seconds, which orders writes of one version.
    """

    supports_ef_search = False
    rejects_stale_writers = False

    def __init__(
        self,
        client: OpenSearchClient,
        *,
        visibility_wait: float = 0.0,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._visibility_wait = visibility_wait
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._latest_timestamp = 0
        self._recent: dict[str, deque[tuple[str, Revision]]] = defaultdict(lambda: deque(maxlen=RECENT_WRITES))

    def write(self, writes: Sequence[Write], *, wait: bool) -> Outcome:
        writes = [replace(write, written_at=self._next_timestamp()) for write in writes]
        outcome = bulk_write(self._client, writes, _bulk_lines, {})
        by_index: dict[str, list[Write]] = defaultdict(list)
        with self._lock:
            for write in outcome.written:
                by_index[write.index.name].append(write)
                self._recent[write.index.name].append((write.uuid, write.revision))
        if wait:
            for index, written in by_index.items():
                revisions = [(write.uuid, write.revision) for write in written]
                self.delete_superseded(index, written, self._poll(index, revisions, self._visibility_wait))
        return outcome

    def wait_until_visible(self, index: Index) -> None:
        with self._lock:
            recent = list(self._recent[index.name])
        visible = self._poll(index.name, recent, VISIBILITY_TIMEOUT_SECONDS)
        if not _all_visible(recent, visible):
            raise StoreUnavailable(f"{index.name} does not show what was written to it.")

    def current_hits(
        self, target: str, candidates: Sequence[Candidate], query: VectorQuery, complete_up_to: float
    ) -> list[Hit]:
        stored = self._stored_documents(target, {candidate.hit.uuid for candidate in candidates})
        # Another replica may answer this lookup, which does not see yet what the search has seen.
        latest: dict[str, Revision] = {}
        for candidate in candidates:
            uuid = candidate.hit.uuid
            latest[uuid] = max(candidate.revision, latest.get(uuid, candidate.revision))
        superseding = {uuid: documents[0] for uuid, documents in stored.items() if documents[0].revision > latest[uuid]}
        hits = {
            candidate.hit.uuid: candidate.hit
            for candidate in candidates
            if candidate.revision == latest[candidate.hit.uuid] and candidate.hit.uuid not in superseding
        }
        # The search did not return a document that became visible after it, and its predecessor is left out here.
        unseen = [document for document in superseding.values() if document.removed_at is None]
        for hit in self._compare(target, unseen, unit_vector(query.vector)):
            if hit.distance <= complete_up_to and query.options.filter.admits(hit.file.facts):
                hits[hit.uuid] = hit
        return sorted(hits.values(), key=lambda hit: hit.position)

    def current_uuids(self, target: str, revisions: Mapping[str, Revision]) -> set[str]:
        stored = self._stored_documents(target, revisions)
        # A picture that is replaced at this moment is left out for it.
        return {uuid for uuid, found in revisions.items() if uuid not in stored or stored[uuid][0].revision <= found}

    def count(self, index: str, condition: Json) -> int:
        return sum(map(len, self.scan(index, condition)))

    def versions(self, index: str, uuids: Sequence[str]) -> dict[str, int]:
        stored = self._stored_documents(index, uuids)
        versions = {uuid: documents[0].revision.version for uuid, documents in stored.items()}
        requested = set(uuids)
        with self._lock:
            # The index has what this process has just written, though searches do not see it yet.
            recent = [(uuid, revision.version) for uuid, revision in self._recent[index] if uuid in requested]
        for uuid, version in recent:
            versions[uuid] = max(version, versions.get(uuid, version))
        return versions

    def vectors(self, index: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        stored = self._stored_documents(index, uuids).values()
        current = {documents[0].id: documents[0] for documents in stored if documents[0].removed_at is None}
        condition = {"bool": {"filter": [queries.with_uuids(uuids), {"exists": {"field": "account"}}]}}
        vectors = {}
        for page in self._pages(index, condition, {"_source": ["vector"]}):
            for document in page:
                if document["_id"] in current:
                    picture = current[document["_id"]]
                    vector = queries.vector_bytes(document["_source"]["vector"])
                    vectors[picture.uuid] = (picture.revision.version, vector)
        return vectors

    def owners(self, index: str) -> Iterator[tuple[str, str]]:
        return owners(self._client, index)

    def scan(self, index: str, condition: Json) -> Iterator[list[tuple[str, int]]]:
        last_uuid = ""
        for page in self._pages(index, condition):
            uuids = {document["sort"][0] for document in page} - {last_uuid}
            current = [documents[0] for documents in self._stored_documents(index, uuids).values()]
            yield [(document.uuid, document.revision.version) for document in current if document.removed_at is None]
            last_uuid = page[-1]["sort"][0]

    def purge(self, index: str, before: float) -> int:
        superseded: list[str] = []
        old_tombstones: list[str] = []
        documents = (_stored_document(document) for page in self._pages(index, {"match_all": {}}) for document in page)
        for _, of_picture in groupby(documents, key=lambda document: document.uuid):
            current, *others = sorted(of_picture, key=lambda document: document.precedence)
            superseded += [document.id for document in others]
            # A tombstone stays while searches see what it supersedes: a later purge finds it alone.
            if not others and current.removed_at is not None and current.removed_at < before * 1000:
                old_tombstones.append(current.id)
        bulk_delete(self._client, index, superseded)
        return bulk_delete(self._client, index, old_tombstones)

    def delete_superseded(
        self, index: str, written: Sequence[Write], visible: Mapping[str, list[StoredDocument]]
    ) -> None:
        """Delete what these writes have superseded, as far as the documents that searches see tell."""
        superseded = {document.id for documents in visible.values() for document in documents[1:]}
        for write in written:
            current = visible[write.uuid][0] if write.uuid in visible else None
            if current and current.revision > write.revision:
                superseded.add(write.id)
            elif current and current.revision < write.revision and write.removal and current.removed_at is None:
                superseded.add(current.id)
        if superseded:
            # This is no part of the write: a later write of the picture does it, or `purge`.
            with suppress(StoreUnavailable, RequestRejected):
                bulk_delete(self._client, index, sorted(superseded))

    def _compare(self, target: str, documents: Sequence[StoredDocument], vector: Sequence[float]) -> Iterator[Hit]:
        """Yields documents with their distances from a vector."""
        if not documents:
            return
        ids = {document.id for document in documents}
        condition = queries.with_uuids([document.uuid for document in documents])
        for page in self._pages(target, condition, {"_source": True}):
            for document in page:
                if document["_id"] in ids:
                    source = document["_source"]
                    cosine = sum(a * b for a, b in zip(vector, source["vector"], strict=True))
                    yield queries.hit(source, rounded_distance(1 - cosine))

    def _poll(
        self, index: str, written: Sequence[tuple[str, Revision]], timeout: float
    ) -> dict[str, list[StoredDocument]]:
        """Returns all visible documents of the pictures, once these writes are visible or the time is over."""
        deadline, pause = time.monotonic() + timeout, FIRST_POLL_SECONDS
        while True:
            stored = self._stored_documents(index, {uuid for uuid, _ in written})
            if _all_visible(written, stored) or time.monotonic() >= deadline:
                return stored
            self._sleep(pause)
            pause = min(2 * pause, LONGEST_POLL_SECONDS)

    def _stored_documents(self, target: str, uuids: Iterable[str]) -> dict[str, list[StoredDocument]]:
        """Returns all documents of these pictures by uuid, each picture's current document first."""
        by_uuid: dict[str, list[StoredDocument]] = defaultdict(list)
        requested = sorted(set(uuids))
        for start in range(0, len(requested), SCAN_PAGE_SIZE):
            for page in self._pages(target, queries.with_uuids(requested[start : start + SCAN_PAGE_SIZE])):
                for document in map(_stored_document, page):
                    by_uuid[document.uuid].append(document)
        return {
            uuid: sorted(documents, key=lambda document: document.precedence) for uuid, documents in by_uuid.items()
        }

    def _pages(self, target: str, condition: Json, fields: Json | None = None) -> Iterator[list[Json]]:
        """Yields pages of the documents that pass a filter, each picture's highest first.

        Args:
            fields: what a search's body says of the fields it returns; without it, those of ``StoredDocument`` alone.
        """
        body: Json = {
            "query": condition,
            "size": SCAN_PAGE_SIZE,
            "sort": [{"uuid": "asc"}, {"version": "desc"}, {"written_at": "desc"}],
            "_source": False,
            "docvalue_fields": [{"field": "removed_at", "format": "epoch_millis"}],
            **(fields or {}),
        }
        while True:
            response = self._client.request("POST", f"/{target}/_search", body, timeout=SCAN_TIMEOUT_SECONDS)
            documents = response["hits"]["hits"]
            if documents:
                yield documents
            if len(documents) < SCAN_PAGE_SIZE:
                return
            body["search_after"] = documents[-1]["sort"]

    def _next_timestamp(self) -> int:
        """Returns the time in microseconds, higher than each one before."""
        with self._lock:
            self._latest_timestamp = max(self._latest_timestamp + 1, round(self._now() * 1_000_000))
            return self._latest_timestamp


def _stored_document(document: Json) -> StoredDocument:
    uuid, version, written_at = document["sort"]
    removed_at = document.get("fields", {}).get("removed_at")
    return StoredDocument(
        uuid, Revision(version, written_at), document["_id"], int(removed_at[0]) if removed_at else None
    )


def _all_visible(written: Iterable[tuple[str, Revision]], stored: Mapping[str, Sequence[StoredDocument]]) -> bool:
    """Whether searches see each of these writes, or one that supersedes it."""
    return all(uuid in stored and stored[uuid][0].revision >= revision for uuid, revision in written)


def _bulk_lines(write: Write) -> str:
    action = json.dumps({"index": {"_index": write.index.name}})
    return f'{action}\n{{"version":{write.version},"written_at":{write.written_at},{write.source[1:]}\n'
