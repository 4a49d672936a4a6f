"""What may be wrong with the indexes themselves, told in sentences that say what to do."""

from collections import defaultdict

from chalicelib.adapters.opensearch.client import OpenSearchCalls
from chalicelib.adapters.opensearch.indexes import Index, Indexes
from chalicelib.adapters.opensearch.mappings import Json

REINDEX = "`infra.admin reindex` fills a new index from the catalogue while searches go on."


def check_health(calls: OpenSearchCalls, indexes: Indexes) -> list[str]:
    """Aliases, mappings, blocks and health of every index of the store."""
    known = indexes.all(fresh=True)
    found = [problem for group in _by_model(known).values() for problem in _aliases(group)]
    for index in known:
        found += _itself(calls, indexes, index)
    found += [
        f"{name} bears this store's name and was not made by it. Delete it, once you have seen what it is."
        for name in indexes.strange
    ]
    if not known:
        found.append("There is no index yet: nothing has been indexed, or the store was lost. " + REINDEX)
    return found


def _by_model(known: list[Index]) -> dict[str, list[Index]]:
    groups: dict[str, list[Index]] = defaultdict(list)
    for index in known:
        groups[index.model].append(index)
    return groups


def _aliases(group: list[Index]) -> list[str]:
    model, found = group[0].model, []
    reading = [index.name for index in group if index.reading]
    if not reading and not any(index.filling for index in group):
        found.append(f"No index answers searches for {model}. {REINDEX}")
    if len(reading) > 1:
        found.append(f"Searches for {model} are answered from {', '.join(reading)} at once. {REINDEX}")
    for index in group:
        if index.reading and not index.writing:
            found.append(f"{index.name} is searched, and takes no writes: it falls behind. {REINDEX}")
        if index.takes_writes and not index.reading:
            found.append(
                f"{index.name} is being filled. If nobody is at it, `infra.admin reindex` goes on, "
                "and `infra.admin reindex --abandon` deletes it."
            )
        if not index.reading and not index.takes_writes:
            found.append(f"{index.name} is an old one. `infra.admin reindex --drop-old` deletes it.")
    return found


def _itself(calls: OpenSearchCalls, indexes: Indexes, index: Index) -> list[str]:
    found = []
    # What OpenSearch writes down is more than what was asked for: it adds what it takes for granted.
    wanted = indexes.body(index.model, index.dimension)["mappings"]
    described = calls.ask("GET", f"/{index.name}")[index.name]
    if not _holds(described["mappings"], wanted):
        found.append(f"The mapping of {index.name} is not this version's. {REINDEX}")
    blocks = described["settings"]["index"].get("blocks", {})
    if any(str(blocked).lower() == "true" for blocked in blocks.values()):
        found.append(
            f"{index.name} refuses writes ({', '.join(blocks)}), as it does when a disk was full. Make room, then "
            "set the block to null."
        )
    if indexes.profile.serverless:
        return found  # its service looks after the rest, and tells nobody
    health = calls.ask("GET", f"/_cluster/health/{index.name}")["status"]
    if health == "red":
        found.append(f"{index.name} is red: a part of it is lost or on its way. If it stays so: {REINDEX}")
    return found


def _holds(actual: Json, wanted: Json) -> bool:
    """Whether everything that is wanted is there, at every depth."""
    for name, value in wanted.items():
        if isinstance(value, dict):
            if not isinstance(actual.get(name), dict) or not _holds(actual[name], value):
                return False
        elif str(actual.get(name)).lower() != str(value).lower():
            return False
    return True
