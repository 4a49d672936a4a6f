"""The messages of the changes queue that one delivery has, and which of them are applied together."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.messages import INDEX_BATCH_SIZE, IndexBatch


@dataclass(frozen=True, slots=True)
class Change:
    """A delivered message of the changes queue."""

    batch: IndexBatch
    redelivered: bool = False


def change_groups(changes: Mapping[str, Change]) -> list[dict[str, Change]]:
    """The messages that are applied together, by their ids, the groups with the fewest objects first.

    A group has as many objects as one message may have. A message that was delivered before is alone: what made it
    fail must not make others fail, and what its worker has left half done is repaired.
    """
    open_groups: dict[tuple[str, str], dict[str, Change]] = defaultdict(dict)
    groups: list[dict[str, Change]] = []
    for message_id, change in changes.items():
        batch = change.batch
        if change.redelivered or batch.sync is not None:
            groups.append({message_id: change})
            continue
        group = open_groups[batch.account, batch.collection]
        if group and _size(group) + len(batch.hints) > INDEX_BATCH_SIZE:
            groups.append(group)
            group = open_groups[batch.account, batch.collection] = {}
        group[message_id] = change
    return sorted([*groups, *open_groups.values()], key=_size)


def _size(group: Mapping[str, Change]) -> int:
    return sum(len(change.batch.hints) for change in group.values())
