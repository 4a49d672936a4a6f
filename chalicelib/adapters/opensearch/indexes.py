"""The indexes of a vector store and their aliases: which index answers searches, and which ones take writes.

Each model version has indexes of its own, numbered. The one with the alias ``PREFIX-MODEL`` answers searches. Those
with an alias ``INDEX.write`` take writes, and a writer waits until searches would see them; those with ``INDEX.fill``
take writes too, but a writer does not wait, because they are being filled and are not searched yet. An index with none
of these aliases is an old one, kept until an administrator drops it.

Writers address the aliases and demand that they are aliases. So OpenSearch rejects a stale writer, which does not know
of a change yet, instead of letting it write to an index that is not searched.

Serverless has no such demand. There writers address the index itself, and each change waits until no writer is stale
any more: ``wait_for_writers``.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.adapters.opensearch.client import OpenSearchClient
from chalicelib.adapters.opensearch.errors import RequestRejected
from chalicelib.adapters.opensearch.mappings import PROFILES, Json, Profile, Sizing, index_body
from chalicelib.config import OpenSearchProfile
from chalicelib.domain.errors import StoreUnavailable

INDEX_PREFIX = "similarix"
INDEX_CACHE_SECONDS = 10.0
WRITE_SUFFIX, FILL_SUFFIX = ".write", ".fill"
INDEX_CHANGE_TIMEOUT_SECONDS = 60.0
LOST = (
    "The search index has no vectors, although there are files: it was lost or replaced, or the model is new. No file "
    "is gone. An administrator must run `infra.admin reindex`."
)


def no_files() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Index:
    """An index with the aliases that it has; ``layout`` is that of its documents (``mappings.LAYOUT``)."""

    name: str
    model: str
    dimension: int
    layout: int
    has_read_alias: bool
    has_write_alias: bool
    has_fill_alias: bool

    @property
    def write_alias(self) -> str:
        """The alias that writers address."""
        return self.name + (WRITE_SUFFIX if self.has_write_alias else FILL_SUFFIX)

    @property
    def takes_writes(self) -> bool:
        return self.has_write_alias or self.has_fill_alias


class Indexes:
    """Args:
    prefix: of every index and alias.
    cache_seconds: for how long a process uses what it has read of the aliases; the same for all processes.
    now: the time in seconds, from which the age of the cache follows.
    has_files: whether the catalogue has indexed files; a store without an index has then lost it.
    """

    def __init__(
        self,
        client: OpenSearchClient,
        *,
        prefix: str = INDEX_PREFIX,
        profile: Profile = PROFILES[OpenSearchProfile.LUCENE],
        sizing: Sizing | None = None,
        cache_seconds: float = INDEX_CACHE_SECONDS,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        has_files: Callable[[], bool] = no_files,
    ) -> None:
        self._has_files = has_files
        self._client = client
        self._prefix = prefix
        self.profile = profile
        self._sizing = sizing or Sizing()
        self._now = now
        self._sleep = sleep
        self.cache_seconds = cache_seconds
        self._cached: list[Index] = []
        self._cached_until = float("-inf")
        self.foreign: list[str] = []  # names of indexes with our prefix that a vector store did not create

    def read_alias(self, model: str) -> str:
        return f"{self._prefix}-{slug(model)}"

    def all(self, *, fresh: bool = False) -> list[Index]:
        """Returns every index of the store, by name."""
        if fresh or self._now() >= self._cached_until:
            descriptions = self._describe()
            own = {name for name, of in descriptions.items() if "model" in of.get("mappings", {}).get("_meta", {})}
            self._cached = [self._index(name, descriptions[name]) for name in sorted(own)]
            self.foreign = sorted(descriptions.keys() - own)
            self._cached_until = self._now() + self.cache_seconds
        return self._cached

    def of(self, model: str, *, fresh: bool = False) -> list[Index]:
        return [index for index in self.all(fresh=fresh) if index.model == model]

    def invalidate(self) -> None:
        """Read the aliases again when they are next needed."""
        self._cached_until = float("-inf")

    def for_writing(self, model: str, dimension: int) -> list[Index]:
        """Returns the indexes that a document of this model is written to; a model's first write creates its index.

        Raises:
            ValueError: the model's vectors have another dimension.
            StoreUnavailable: there is no index at all, although there are files.
        """
        indexes = self.of(model) or self.of(model, fresh=True)
        if not any(index.takes_writes for index in indexes):
            self._check_loss()
            indexes = self.of(model)
        if not any(index.takes_writes for index in indexes):
            indexes = [self.create(model, dimension, searched=True)]
        for index in indexes:
            if index.dimension != dimension:
                raise ValueError(
                    f"A vector of dimension {dimension} meets model {model!r}, whose vectors have {index.dimension}."
                )
        return [index for index in indexes if index.takes_writes]

    def check_files(self) -> None:
        """Raises StoreUnavailable if there are files: then a search that finds no index must not find nothing."""
        if self._has_files():
            raise StoreUnavailable(LOST)

    def _check_loss(self) -> None:
        """Raises StoreUnavailable if the indexes were lost.

        A first write would make an index of one picture, which is searched as if it had all.
        """
        # The files first: whoever indexed them has made an index before.
        has_files = self._has_files()
        if not self.all(fresh=True) and has_files:
            raise StoreUnavailable(LOST)

    def body(self, model: str, dimension: int) -> Json:
        """Returns the body that creates an index of the model."""
        return index_body(self.profile, model, dimension, self._sizing)

    def create(self, model: str, dimension: int, *, searched: bool) -> Index:
        """Create the model's next index, either searched at once or to be filled first."""
        read_alias = self.read_alias(model)
        names = [index.name for index in self.all(fresh=True)] + self.foreign
        matches = map(re.compile(re.escape(read_alias) + "-([0-9]{6})").fullmatch, names)
        highest = max((int(match[1]) for match in matches if match), default=0)
        name = f"{read_alias}-{highest + 1:06d}"
        aliases: Json = {name + WRITE_SUFFIX: {}, read_alias: {}} if searched else {name + FILL_SUFFIX: {}}
        body = self.body(model, dimension) | {"aliases": aliases}
        params = None if self.profile.serverless else {"wait_for_active_shards": "1"}
        try:
            self._client.request("PUT", f"/{name}", body, params, timeout=INDEX_CHANGE_TIMEOUT_SECONDS, attempts=1)
        except RequestRejected as error:
            if error.kind != "resource_already_exists_exception":  # another process was faster
                raise
        created = next((index for index in self.all(fresh=True) if index.name == name), None)
        if created is None:
            raise StoreUnavailable("The search index is being created. Try again in a moment.")
        return created

    def promote(self, index: Index) -> Index:
        """Replace the alias for filling by the one for writing, so that writers wait until searches would see them.

        OpenSearch rejects the next write of each process that addresses the old alias.
        """
        self._change_aliases(
            [_remove(index.name, index.name + FILL_SUFFIX), _add(index.name, index.name + WRITE_SUFFIX)]
        )
        return replace(index, has_write_alias=True, has_fill_alias=False)

    def serve(self, index: Index) -> None:
        """In one step, let this index answer searches, and its predecessors take no more writes."""
        alias = self.read_alias(index.model)
        actions = [_add(index.name, alias)]
        for other in self.of(index.model, fresh=True):
            if other.name != index.name:
                if other.has_read_alias:
                    actions.append(_remove(other.name, alias))
                if other.takes_writes:
                    actions.append(_remove(other.name, other.write_alias))
        self._change_aliases(actions)

    def retire(self, index: Index) -> None:
        """Neither search nor write the index any more; it waits to be dropped."""
        aliases = [self.read_alias(index.model)] * index.has_read_alias + [index.write_alias] * index.takes_writes
        if aliases:
            self._change_aliases([_remove(index.name, alias) for alias in aliases])

    def wait_for_writers(self) -> None:
        """Wait until no writer uses what was true of the indexes before."""
        self._sleep(2 * self.cache_seconds)  # once for its cache, once for the write that it has begun

    def drop(self, index: Index) -> None:
        self._client.request("DELETE", f"/{index.name}", timeout=INDEX_CHANGE_TIMEOUT_SECONDS)
        self.invalidate()

    def refresh(self, index: Index) -> None:
        """Let searches see everything that has been written."""
        self._client.request("POST", f"/{index.name}/_refresh", timeout=INDEX_CHANGE_TIMEOUT_SECONDS)

    def _describe(self) -> Json:
        """Returns what OpenSearch says of each index with the prefix, by name."""
        lean = {"filter_path": "*.aliases,*.mappings._meta", "expand_wildcards": "open"}
        params = None if self.profile.serverless else lean
        try:
            descriptions: Json = self._client.request("GET", f"/{self._prefix}-*", params=params)
        except RequestRejected as error:
            if error.status != 404:
                raise
            return {}
        return descriptions

    def _change_aliases(self, actions: list[Json]) -> None:
        body = {"actions": actions}
        self._client.request("POST", "/_aliases", body, timeout=INDEX_CHANGE_TIMEOUT_SECONDS)
        self.invalidate()

    def _index(self, name: str, description: Json) -> Index:
        meta, aliases = description["mappings"]["_meta"], description.get("aliases", {})
        return Index(
            name=name,
            model=meta["model"],
            dimension=meta["dimension"],
            layout=meta.get("layout", 0),
            has_read_alias=self.read_alias(meta["model"]) in aliases,
            has_write_alias=name + WRITE_SUFFIX in aliases,
            has_fill_alias=name + FILL_SUFFIX in aliases,
        )


def slug(model: str) -> str:
    """Returns a model version as part of an index's name; no two model versions have the same.

    Raises:
        ValueError: it has a character that is neither a small letter, a digit, a dot, a hyphen nor a plus.
    """
    if not re.fullmatch(r"[a-z0-9.+-]{1,100}", model):
        raise ValueError(f"The model version {model!r} has characters that an index's name cannot have.")
    return model.replace("+", "_")


def _add(index: str, alias: str) -> Json:
    return {"add": {"index": index, "alias": alias}}


def _remove(index: str, alias: str) -> Json:
    return {"remove": {"index": index, "alias": alias}}
