"""Which document of a picture stands, in an index whose ids are ours; and what any index must do for that.

Every document bears its file's uuid as its id and its record's version as an external version, so of two writes the
higher version wins whatever their order, and there is one document of each picture.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from chalicelib.adapters.opensearch import queries as queries
from chalicelib.adapters.opensearch.bulk import Outcome, Write, write
from chalicelib.adapters.opensearch.client import OpenSearchCalls
from chalicelib.adapters.opensearch.indexes import Index, Indexes
from chalicelib.adapters.opensearch.mappings import Json
from chalicelib.adapters.opensearch.queries import Candidate
from chalicelib.domain.vectors import Hit

SCAN_PAGE = 1_000  # documents looked through at once


class Documents(Protocol):
    """Documents of pictures, of which the highest version stands; of one version, what was written last.

    Args:
        tuned: queries may say how the engine is to search, and compare by script.
        fenced: a writer whose knowledge of the indexes is old is refused by them.
    """

    supports_ef_search: bool
    rejects_stale_writers: bool

    def write(self, writes: Sequence[Write], *, wait: bool) -> Outcome:
        """Write documents; with ``wait``, they are seen by searches afterwards, as far as the service lets us wait."""

    def settle(self, index: Index) -> None:
        """Afterwards searches see everything that this process has written, waited for or not."""

    def standing(self, where: str, met: Sequence[Candidate], vector: Sequence[float], within: float) -> list[Hit]:
        """Of what a search for a vector has met in an index or alias, what stands, in its order.

        Args:
            within: the distance up to which it has met everything.
        """

    def count(self, index: str, wanted: Json) -> int:
        """Pictures that pass a filter."""

    def versions(self, index: str, uuids: Sequence[str]) -> dict[str, int]:
        """Of the documents that stand, tombstones among them."""

    def vectors(self, index: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        """Versions and vectors of those pictures that have one."""

    def owners(self, index: str) -> Iterator[tuple[str, str]]:
        """Account and collection of every picture that has a document."""

    def walk(self, index: str, wanted: Json) -> Iterator[list[tuple[str, int]]]:
        """The (uuid, version) of the pictures that pass a filter, by uuid, in pages."""

    def purge(self, index: str, before: float) -> int:
        """Delete tombstones from before a time in seconds; answers how many."""


class VersionedDocuments:
    supports_ef_search = True
    rejects_stale_writers = True

    def __init__(self, calls: OpenSearchCalls, indexes: Indexes) -> None:
        self._calls = calls
        self._indexes = indexes

    def write(self, writes: Sequence[Write], *, wait: bool) -> Outcome:
        params = {"require_alias": "true", "filter_path": "items.*.status,items.*.error"}
        outcome = write(self._calls, writes, lines, params | ({"refresh": "wait_for"} if wait else {}))
        if wait:
            # Nobody has waited for a write that lost, and whoever wrote the newer one may be waiting still.
            for index in {each.index.name: each.index for each in outcome.outdone}.values():
                self._indexes.refresh(index)
        return outcome

    def settle(self, index: Index) -> None:
        self._indexes.refresh(index)

    def standing(self, where: str, met: Sequence[Candidate], vector: Sequence[float], within: float) -> list[Hit]:  # noqa: ARG002
        return [each.hit for each in met]  # there is one document of each picture

    def count(self, index: str, wanted: Json) -> int:
        return int(self._calls.ask("POST", f"/{index}/_count", {"query": wanted})["count"])

    def versions(self, index: str, uuids: Sequence[str]) -> dict[str, int]:
        return {each["_id"]: each["_version"] for each in self._get(index, uuids, {"_source": "false"})}

    def vectors(self, index: str, uuids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
        return {
            each["_id"]: (each["_version"], queries.vector_bytes(each["_source"]["vector"]))
            for each in self._get(index, uuids, {"_source_includes": "vector"})
            if "vector" in each["_source"]
        }

    def owners(self, index: str) -> Iterator[tuple[str, str]]:
        return owners(self._calls, index)

    def walk(self, index: str, wanted: Json) -> Iterator[list[tuple[str, int]]]:
        after: list[str] | None = None
        while True:
            body: Json = {
                "query": wanted,
                "size": SCAN_PAGE,
                "sort": [{"uuid": "asc"}],
                "_source": False,
                "version": True,
            }
            if after:
                body["search_after"] = after
            found = self._calls.ask("POST", f"/{index}/_search", body, seconds=60)["hits"]["hits"]
            if not found:
                return
            yield [(each["_id"], each["_version"]) for each in found]
            after = found[-1]["sort"]

    def purge(self, index: str, before: float) -> int:
        body = {"query": queries.old_tombstones(before)}
        answer = self._calls.ask("POST", f"/{index}/_delete_by_query", body, {"conflicts": "proceed"}, seconds=600)
        return int(answer["deleted"])

    def _get(self, index: str, uuids: Sequence[str], params: dict[str, str]) -> list[Any]:
        answer = self._calls.ask("POST", f"/{index}/_mget", {"ids": list(uuids)}, params, seconds=60)
        return [each for each in answer["docs"] if each.get("found")]


def owners(calls: OpenSearchCalls, index: str) -> Iterator[tuple[str, str]]:
    """Account and collection of the documents of an index, each pair once."""
    after: list[str] | None = None
    while found := calls.ask("POST", f"/{index}/_search", queries.next_owner(after), seconds=60)["hits"]["hits"]:
        after = found[0]["sort"]
        yield after[0], after[1]


def lines(each: Write) -> str:
    where = {"_index": each.index.target, "_id": each.uuid, "version": each.version, "version_type": "external_gte"}
    return f'{{"index":{json.dumps(where)}}}\n{each.source}\n'
