"""The errors that tell a caller why an upload cannot be completed, or has failed."""

from chalicelib.domain.errors import FileExists, NotFound, Unavailable, UploadIncomplete
from chalicelib.domain.uploads import EXISTS


def error_of_existing(file: str, md5: str | None) -> FileExists:
    return FileExists(EXISTS.detail, field="file", uuid=file, md5=md5)


def error_of_abandoned() -> NotFound:
    return NotFound("This upload has failed. Begin a new one.")


def error_of_locked() -> Unavailable:
    return Unavailable("A file of that name is being processed. Try again in a moment.")


def error_of_cancelled() -> NotFound:
    return NotFound("This upload was cancelled. Begin a new one.")


def error_of_incomplete() -> UploadIncomplete:
    return UploadIncomplete("The file has not arrived yet. Send it to the upload's URL, then complete it.")
