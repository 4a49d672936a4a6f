"""Files that a search has found, with the fields that its caller includes."""

from collections.abc import Sequence
from typing import Any

from chalicelib.api import serializers
from chalicelib.api.dispatch import RequestContext
from chalicelib.domain.file_queries import FoundFile
from chalicelib.domain.vectors import Hit


def found_files(
    context: RequestContext,
    hits: Sequence[Hit | FoundFile],
    include: Sequence[str],
    duplicates: Sequence[Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """The hits as a response shows them, each with the fields to include; those that are not known are null.

    Args:
        duplicates: the uuids of the files that are folded into each hit, where duplicates are folded.
    """
    shown = [serializers.hit(hit, context.links) for hit in hits]
    for fields, uuids in zip(shown, duplicates or (), strict=duplicates is not None):
        fields["duplicates"] = {"count": len(uuids), "files": list(uuids)}
    if not include:
        return shown
    known = context.services.files.known_of(context.account, [(hit.file.collection, hit.file.key) for hit in hits])
    for hit, fields in zip(hits, shown, strict=True):
        record, collection = known[hit.file.collection, hit.file.key]
        if record is None or collection is None:  # deleted since it was found
            extra: dict[str, Any] = {"collection": hit.file.collection, "metadata": {}}
        else:
            extra = serializers.file(record, collection, context.links)
        fields |= {name: extra.get(name) for name in include}
    return shown
