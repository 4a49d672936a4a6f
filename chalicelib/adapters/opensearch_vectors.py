"""The vector store on OpenSearch's k-NN.

Every document bears its file's uuid as its id and its record's version as an external version, so of two writes the
higher version wins whatever their order. OpenSearch forgets the versions of what it deletes within a minute, and a late
write may come two weeks after: a removal therefore writes a tombstone with its version, which no search meets.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from chalicelib.adapters import opensearch_queries as queries
from chalicelib.adapters.opensearch_bulk import DocumentsRefused, Write, write
from chalicelib.adapters.opensearch_client import OpenSearchCalls, Refused
from chalicelib.adapters.opensearch_indexes import Index, Indexes
from chalicelib.adapters.opensearch_mappings import Json
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.vectors import TOMBSTONE_SECONDS, Hit, VectorDocument, VectorQuery, VectorRemoval

EF_SEARCH = 128  # candidates that a search keeps on its way through the graph: `make bench-store` shows recall by it
SPARE = 8  # hits beyond the limit, so that a tie at its end is seen whole
DEEP = 1_100  # candidates of a page behind the first: all pages to a thousand results are cut from the same ones
MOST = 10_000  # candidates and hits that OpenSearch gives at once
LOOKS = 3  # at the aliases, when they change while one writes
PAGE = 1_000  # documents of a collection removed at once


class OpenSearchVectorStore:
    """Approximate nearest neighbours by cosine distance, exact where few documents pass the filter.

    A search always gives as many hits as it was asked for where they exist: an answer that is short is asked again with
    more candidates, and at last by comparing every document that passes the filter.

    Args:
        now: the time in seconds, by which tombstones age.

    Raises:
        StoreUnavailable: by every method, when OpenSearch cannot be reached or refuses to work.
        ValueError: a vector is not of length one, or not of its model's dimension; nothing of its batch is written.
        DocumentsRefused: OpenSearch takes some documents of a batch under no circumstances; the others are written.
    """

    def __init__(
        self,
        calls: OpenSearchCalls,
        indexes: Indexes,
        *,
        ef_search: int = EF_SEARCH,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self.indexes = indexes
        self._ef = ef_search
        self._now = now

    def upsert(self, documents: Sequence[VectorDocument]) -> None:
        vectors = [queries.floats(document.vector) for document in documents]
        dimensions = {(document.model, len(vector)) for document, vector in zip(documents, vectors, strict=True)}
        written = [
            (d.uuid, d.version, d.model, json.dumps(queries.document(d, vector), separators=(",", ":")))
            for d, vector in zip(documents, vectors, strict=True)
        ]

        def targets() -> Mapping[str, list[Index]]:
            found: dict[str, list[Index]] = {}
            for model, dimension in dimensions:
                found[model] = self.indexes.for_writing(model, dimension)
            return found

        self._write(written, targets)

    def remove(self, removals: Sequence[VectorRemoval]) -> None:
        now = self._now()
        written = [(each.uuid, each.version, "", _tombstone(each.uuid, now)) for each in removals]
        # A removal does not say of which model its vector was. Where there is no index, it has nothing to fend off.
        self._write(written, lambda: {"": [index for index in self.indexes.all() if index.takes_writes]})

    def remove_collection(self, account: str, collection: str) -> None:
        now, wanted = self._now(), queries.owned_by(account, [collection])
        for index in self.indexes.all(fresh=True):
            if index.takes_writes:
                self.indexes.refresh(index)
                for page in self._walk(index, wanted):
                    self._write([(uuid, version, "", _tombstone(uuid, now)) for uuid, version in page], {"": [index]})

    def search(self, query: VectorQuery) -> list[Hit]:
        vector = queries.floats(query.vector)
        if query.collections == ():
            return []
        try:
            return self._search(query, vector)
        except Refused as error:
            if error.status == 404:  # nothing was ever written for the model
                return []
            if "dimension" in error.reason:
                raise ValueError(f"The query's dimension is not the model's: {error.reason}") from error
            raise

    def count(self, account: str, collection: str | None = None) -> int:
        """While one model replaces another, a picture counts once for each."""
        reading = [index.name for index in self.indexes.all(fresh=True) if index.reading]
        if not reading:
            return 0
        return self._count(",".join(reading), queries.owned_by(account, None if collection is None else [collection]))

    def purge(self) -> int:
        """Delete the tombstones that nothing can come late for any more; answers how many."""
        purged = 0
        for index in self.indexes.all(fresh=True):
            body = {"query": queries.old_tombstones(self._now() - TOMBSTONE_SECONDS)}
            answer = self._calls.ask(
                "POST", f"/{index.name}/_delete_by_query", body, {"conflicts": "proceed"}, seconds=600
            )
            purged += int(answer["deleted"])
        return purged

    def _search(self, query: VectorQuery, vector: Sequence[float]) -> list[Hit]:
        size = min(query.limit + SPARE, MOST)
        k = max(size, self._ef if query.after is None else DEEP)
        total: int | None = None
        while True:
            if k <= MOST:
                body = queries.nearest(query, vector, size=size, k=k, ef=self._ef)
            else:
                body = queries.exact(query, vector, size=size)
            answer = self._calls.ask("POST", f"/{self.indexes.read_alias(query.model)}/_search", body)
            met = queries.hits(answer)
            found = queries.admitted(query, met)[: query.limit]
            if len(met) == size:
                if _settled(query, found, met) or size == MOST:
                    return found
                # A tie reaches beyond what was asked for.
                size = min(4 * size, MOST)
                k = max(k, size)
                continue
            if _passed(query, met) or k > MOST:
                return found
            # Fewer than asked for: all there is behind the page before, or all that the candidates held.
            if total is None:
                wanted = queries.owned_by(query.account, query.collections)
                total = self._count(self.indexes.read_alias(query.model), wanted)
            if total <= k and len(met) >= min(total, size) - (0 if query.after is None else total):
                return found
            k = MOST if k < MOST and total <= MOST else MOST + 1

    def _write(
        self,
        written: Sequence[tuple[str, int, str, str]],
        targets: Mapping[str, list[Index]] | Callable[[], Mapping[str, list[Index]]],
    ) -> None:
        """Write (uuid, version, model, source) into each index that takes them, whatever becomes of the indexes."""
        left, refused = list(written), []
        for _ in range(LOOKS):
            if not left:
                break
            found = targets() if callable(targets) else targets
            stale: set[tuple[str, int]] = set()
            for writing in (False, True):  # the ones that are searched last: what is seen is everywhere
                writes = [
                    Write(index.target, uuid, version, source)
                    for uuid, version, model, source in left
                    for index in found[model]
                    if index.writing is writing
                ]
                outcome = write(self._calls, writes, wait=writing)
                refused += outcome.refused
                stale |= {(each.uuid, each.version) for each in outcome.stale}
            left = [each for each in left if each[:2] in stale]
            if left:
                self.indexes.forget()
        if left:
            raise StoreUnavailable("The search index is being rebuilt. Try again in a moment.")
        if refused:
            raise DocumentsRefused("OpenSearch refused documents: " + "; ".join(refused))

    def _walk(self, index: Index, wanted: Json) -> Iterator[list[tuple[str, int]]]:
        """The (uuid, version) of an index's documents that pass a filter, by uuid, in pages."""
        after: list[str] | None = None
        while True:
            body: Json = {"query": wanted, "size": PAGE, "sort": [{"uuid": "asc"}], "_source": False, "version": True}
            if after:
                body["search_after"] = after
            found = self._calls.ask("POST", f"/{index.name}/_search", body, seconds=60)["hits"]["hits"]
            if not found:
                return
            yield [(each["_id"], each["_version"]) for each in found]
            after = found[-1]["sort"]

    def _count(self, where: str, wanted: Json) -> int:
        return int(self._calls.ask("POST", f"/{where}/_count", {"query": wanted})["count"])


def _tombstone(uuid: str, removed_at: float) -> str:
    return json.dumps(queries.tombstone(uuid, removed_at))


def _settled(query: VectorQuery, found: Sequence[Hit], met: Sequence[Hit]) -> bool:
    """Whether nothing that was not fetched could belong into the page: it would be as near as its last hit."""
    return _passed(query, met) or (len(found) == query.limit and met[-1].distance > found[-1].distance)


def _passed(query: VectorQuery, met: Sequence[Hit]) -> bool:
    """Whether the hits have come past the greatest distance that is asked for."""
    return query.max_distance is not None and bool(met) and met[-1].distance > query.max_distance
