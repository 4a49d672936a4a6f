"""Checks of the indexes themselves; each finding is a sentence that says what to do."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from chalicelib.adapters.opensearch.client import OpenSearchClient
from chalicelib.adapters.opensearch.indexes import Index, Indexes
from chalicelib.adapters.opensearch.mappings import Json

REINDEX_ADVICE = "`infra.admin reindex` fills a new index from the catalogue while searches go on."


def check_health(client: OpenSearchClient, indexes: Indexes) -> list[str]:
    """Returns what is wrong with aliases, mappings, blocks and health of the store's indexes."""
    by_model: dict[str, list[Index]] = defaultdict(list)
    for index in indexes.all(fresh=True):
        by_model[index.model].append(index)
    findings: list[str] = []
    for model, of_model in by_model.items():
        findings += _check_aliases(model, of_model)
    for of_model in by_model.values():
        for index in of_model:
            findings += _check_index(client, indexes, index)
    findings += [
        f"The index {name} has this store's prefix but was not created by it. Find out what it is, then delete it."
        for name in indexes.foreign
    ]
    if not by_model:
        findings.append(f"There is no index yet: nothing has been indexed, or the store was lost. {REINDEX_ADVICE}")
    return findings


def _check_aliases(model: str, indexes: Sequence[Index]) -> Iterator[str]:
    searched = [index.name for index in indexes if index.has_read_alias]
    if not searched and not any(index.has_fill_alias for index in indexes):
        yield f"No index answers searches for {model}. {REINDEX_ADVICE}"
    if len(searched) > 1:
        yield f"Searches for {model} are answered from {', '.join(searched)} at once. {REINDEX_ADVICE}"
    for index in indexes:
        if index.has_read_alias and not index.has_write_alias:
            yield f"{index.name} is searched but takes no writes, so it becomes outdated. {REINDEX_ADVICE}"
        if index.takes_writes and not index.has_read_alias:
            yield (
                f"{index.name} is being filled. If no reindex is running, `infra.admin reindex` continues it, and "
                "`infra.admin reindex --abandon` deletes it."
            )
        if not index.has_read_alias and not index.takes_writes:
            yield f"{index.name} is an old index. `infra.admin reindex --drop-old` deletes it."


def _check_index(client: OpenSearchClient, indexes: Indexes, index: Index) -> Iterator[str]:
    description = client.request("GET", f"/{index.name}")[index.name]
    actual, expected = description["mappings"], indexes.body(index.model, index.dimension)["mappings"]
    # OpenSearch describes a mapping with its own defaults, too.
    if not _includes(actual, expected) or _is_quantised(actual) is not _is_quantised(expected):
        yield f"The mapping of {index.name} is not this version's. {REINDEX_ADVICE}"
    blocks = description["settings"]["index"].get("blocks", {})
    if any(str(value).lower() == "true" for value in blocks.values()):
        yield (
            f"{index.name} refuses writes ({', '.join(blocks)}), as it does after its disk was full. Free disk space, "
            "then set the block to null."
        )
    if indexes.profile.serverless:
        return  # the service keeps its shards healthy itself, and does not report on them
    if client.request("GET", f"/_cluster/health/{index.name}")["status"] == "red":
        yield f"{index.name} is red: a shard is lost or being recovered. If it stays red: {REINDEX_ADVICE}"


def _is_quantised(mappings: Json) -> bool:
    """Whether a method of the vectors' mapping has an encoder; without one it has no default either."""
    return "encoder" in mappings.get("properties", {}).get("vector", {}).get("method", {}).get("parameters", {})


def _includes(actual: Json, expected: Json) -> bool:
    """Whether everything that is expected is there, at every depth."""
    for name, value in expected.items():
        if isinstance(value, dict):
            if not isinstance(actual.get(name), dict) or not _includes(actual[name], value):
                return False
        elif str(actual.get(name)).lower() != str(value).lower():
            return False
    return True
