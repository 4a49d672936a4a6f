"""What an owner may change of a file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileChange:
    """What to change.

    Args:
        has_metadata: whether the metadata changes.
        metadata: a merge patch of the metadata, a JSON value; see ``metadata.merge_metadata``.
        path: where to move the file within its collection; None to leave it where it is.
    """

    has_metadata: bool = False
    metadata: object = None
    path: str | None = None
