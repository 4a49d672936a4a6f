"""The messages of the changes queue that one delivery has, which of them are applied together, and in which order."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.messages import INDEX_BATCH_SIZE, IndexBatch


@dataclass(frozen=True, slots=True)
class Change:
    """A delivered message of the changes queue; ``received`` is how often it was delivered, this time included."""

    batch: IndexBatch
    redelivered: bool = False
    received: int = 1


def change_groups(changes: Mapping[str, Change]) -> list[dict[str, Change]]:
    """The messages that are applied together, by their ids, in the order in which they are applied.

    A group has as many objects as one message may have. A message that was delivered before is alone: what made it
    fail must not make others fail, and what its worker has left half done is repaired.

    The messages that were delivered least come first: one that ends its worker comes after its neighbours, which are
    done by then. Among those delivered for the first time, the most often postponed come first, then small groups.
    Those of an equal higher count come in an order that the next count reverses, so that in one of two deliveries each
    comes before the message that ends the worker.
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
    return sorted([*groups, *open_groups.values()], key=_place)


def _place(group: Mapping[str, Change]) -> tuple[int, int, int]:
    received = max(change.received for change in group.values())
    if received == 1:
        return 1, -max(change.batch.postponed for change in group.values()), _size(group)
    (message_id,) = group
    digest = hashlib.sha256(f"{received // 2} {message_id}".encode()).digest()
    place = int.from_bytes(digest[:8])
    return received, -place if received % 2 else place, 0


def _size(group: Mapping[str, Change]) -> int:
    return sum(len(change.batch.hints) for change in group.values())
