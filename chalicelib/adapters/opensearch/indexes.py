"""The indexes of a vector store and their aliases: which one answers searches, and which ones take writes.

Each (model, decode version) has indexes of its own, numbered. The one with the alias ``PREFIX-MODEL`` answers searches.
The ones with an alias ``INDEX.write`` take writes, and a writer waits until searches would see them; those with
``INDEX.fill`` take writes too and nobody waits, because they are being filled and not searched yet. Writers address
these aliases and demand that they are aliases, so a writer whose knowledge is old is refused instead of writing where
nobody reads. An index with none of them is an old one, kept until somebody drops it.

Serverless knows no such demand. There writers address the index itself, and what must not happen to one whose knowledge
is old is kept from happening by waiting until nobody's is: ``settled``.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.adapters.opensearch.client import OpenSearchCalls, RequestRejected
from chalicelib.adapters.opensearch.mappings import LUCENE, Json, Profile, Sizing, index_body
from chalicelib.domain.errors import StoreUnavailable

PREFIX = "similarix"
INDEX_CACHE_SECONDS = 10.0
WRITE_SUFFIX, FILL_SUFFIX = ".write", ".fill"
_ADMIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    model: str
    dimension: int
    reading: bool
    writing: bool
    filling: bool

    @property
    def target(self) -> str:
        """The alias that a writer addresses."""
        return self.name + (WRITE_SUFFIX if self.writing else FILL_SUFFIX)

    @property
    def takes_writes(self) -> bool:
        return self.writing or self.filling


class Indexes:
    """Args:
    prefix: of every index and alias.
    known_seconds: for how long a process trusts what it knows of the aliases; the same for all processes.
    now: by which old knowledge is told, in seconds.
    """

    def __init__(
        self,
        calls: OpenSearchCalls,
        *,
        prefix: str = PREFIX,
        profile: Profile = LUCENE,
        sizing: Sizing | None = None,
        known_seconds: float = INDEX_CACHE_SECONDS,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._calls = calls
        self._prefix = prefix
        self.profile = profile
        self._sizing = sizing or Sizing()
        self._now = now
        self._sleep = sleep
        self.known_seconds = known_seconds
        self._known: list[Index] = []
        self.strange: list[str] = []  # that bear our prefix, and were not made here
        self._known_until = float("-inf")

    def read_alias(self, model: str) -> str:
        return f"{self._prefix}-{slug(model)}"

    def all(self, *, fresh: bool = False) -> list[Index]:
        """Every index of the store, by name."""
        if fresh or self._now() >= self._known_until:
            found = self._found()
            ours = {name: each for name, each in found.items() if "model" in each.get("mappings", {}).get("_meta", {})}
            self._known = [self._index(name, each) for name, each in sorted(ours.items())]
            self.strange = sorted(found.keys() - ours.keys())
            self._known_until = self._now() + self.known_seconds
        return self._known

    def _found(self) -> Json:
        lean = {"filter_path": "*.aliases,*.mappings._meta", "expand_wildcards": "open"}
        try:
            found: Json = self._calls.ask("GET", f"/{self._prefix}-*", params=None if self.profile.serverless else lean)
        except RequestRejected as error:
            if error.status != 404:
                raise
            return {}
        return found

    def of(self, model: str, *, fresh: bool = False) -> list[Index]:
        return [index for index in self.all(fresh=fresh) if index.model == model]

    def forget(self) -> None:
        self._known_until = float("-inf")

    def for_writing(self, model: str, dimension: int) -> list[Index]:
        """The indexes that a document of this model goes into; the first write of a model makes its index.

        Raises:
            ValueError: the model's vectors have another dimension.
        """
        found = self.of(model) or self.of(model, fresh=True)
        if not any(index.takes_writes for index in found):
            found = [self.create(model, dimension, reading=True)]
        for index in found:
            if index.dimension != dimension:
                raise ValueError(
                    f"A vector of dimension {dimension} meets model {model!r}, whose vectors have {index.dimension}."
                )
        return [index for index in found if index.takes_writes]

    def body(self, model: str, dimension: int) -> Json:
        """What an index of the model is made of."""
        return index_body(self.profile, model, dimension, self._sizing)

    def create(self, model: str, dimension: int, *, reading: bool) -> Index:
        """The model's next index: one that is searched at once, or one to be filled."""
        names = [index.name for index in self.all(fresh=True)] + self.strange
        numbered = re.compile(re.escape(self.read_alias(model)) + "-([0-9]{6})")
        taken = [int(found[1]) for found in map(numbered.fullmatch, names) if found]
        name = f"{self.read_alias(model)}-{max(taken, default=0) + 1:06d}"
        aliases: Json = {name + WRITE_SUFFIX: {}, self.read_alias(model): {}} if reading else {name + FILL_SUFFIX: {}}
        body = self.body(model, dimension) | {"aliases": aliases}
        params = None if self.profile.serverless else {"wait_for_active_shards": "1"}
        try:
            self._calls.ask("PUT", f"/{name}", body, params, seconds=_ADMIN_SECONDS, tries=1)
        except RequestRejected as error:
            if error.kind != "resource_already_exists_exception":  # another process was faster
                raise
        made = next((index for index in self.all(fresh=True) if index.name == name), None)
        if made is None:
            raise StoreUnavailable("The search index is being made. Try again in a moment.")
        return made

    def await_writes(self, index: Index) -> Index:
        """Have writers wait for an index as for the one that is searched; who knew it otherwise is refused once."""
        self._move([_remove(index.name, index.name + FILL_SUFFIX), _add(index.name, index.name + WRITE_SUFFIX)])
        return replace(index, writing=True, filling=False)

    def serve(self, index: Index) -> None:
        """In one step: searches are answered from this index, and the ones before it take no more writes."""
        alias = self.read_alias(index.model)
        actions = [_add(index.name, alias)]
        for other in self.of(index.model, fresh=True):
            if other.name != index.name:
                if other.reading:
                    actions.append(_remove(other.name, alias))
                if other.takes_writes:
                    actions.append(_remove(other.name, other.target))
        self._move(actions)

    def retire(self, index: Index) -> None:
        """Neither searched nor written any more; it waits to be dropped."""
        taken = [self.read_alias(index.model)] * index.reading + [index.target] * index.takes_writes
        if taken:
            self._move([_remove(index.name, alias) for alias in taken])

    def settled(self) -> None:
        """Wait until no writer goes by what was known of the indexes before."""
        self._sleep(2 * self.known_seconds)  # once for what it knows, once for the write that it has begun

    def drop(self, index: Index) -> None:
        self._calls.ask("DELETE", f"/{index.name}", seconds=_ADMIN_SECONDS)
        self.forget()

    def refresh(self, index: Index) -> None:
        """Searches see everything that has been written."""
        self._calls.ask("POST", f"/{index.name}/_refresh", seconds=_ADMIN_SECONDS)

    def _move(self, actions: list[Json]) -> None:
        self._calls.ask("POST", "/_aliases", {"actions": actions}, seconds=_ADMIN_SECONDS)
        self.forget()

    def _index(self, name: str, found: Json) -> Index:
        meta, aliases = found["mappings"]["_meta"], found.get("aliases", {})
        return Index(
            name=name,
            model=meta["model"],
            dimension=meta["dimension"],
            reading=self.read_alias(meta["model"]) in aliases,
            writing=name + WRITE_SUFFIX in aliases,
            filling=name + FILL_SUFFIX in aliases,
        )


def slug(model: str) -> str:
    """A model's stamp as part of an index's name; two stamps never have the same.

    Raises:
        ValueError: it has a character that is neither a small letter, a digit, a dot, a hyphen nor a plus.
    """
    if not re.fullmatch(r"[a-z0-9.+-]{1,100}", model):
        raise ValueError(f"The stamp {model!r} of a model has characters that an index's name cannot have.")
    return model.replace("+", "_")


def _add(index: str, alias: str) -> Json:
    return {"add": {"index": index, "alias": alias}}


def _remove(index: str, alias: str) -> Json:
    return {"remove": {"index": index, "alias": alias}}
