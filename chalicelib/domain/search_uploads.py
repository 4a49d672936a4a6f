"""Pictures that were uploaded to search by: kept for an hour, in no collection, and not counted as files."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.errors import OutsideFolder

# A folder of the managed bucket for which S3 sends no events, so that nothing in it becomes a file.
SEARCH_STAGING = "queries"
SEARCH_UPLOAD_AGE = timedelta(hours=1)  # after which an upload is no longer a query
NO_SEARCH_UPLOAD = (
    "There is no such upload to search by, or it has expired: it is kept for an hour. "
    "Prepare another one at /api/search/uploads/."
)
SEARCH_UPLOADS_AN_HOUR = 500  # of one account, counted by the hours of UTC: at most 10 GB each


@dataclass(frozen=True, slots=True)
class NewSearchUpload:
    """A picture that a client announces before sending it; ``mime_type`` is what the client says."""

    size: int
    mime_type: str


@dataclass(frozen=True, slots=True)
class SearchUploadArea:
    """What one account has of the managed bucket for the pictures that it searches by."""

    account: str

    @property
    def prefixes(self) -> tuple[str, ...]:
        if "/" in self.account:
            raise OutsideFolder("There is no such account.")
        return (f"{SEARCH_STAGING}/{self.account}/",)

    def check(self, key: str) -> str:
        """The key itself; raises OutsideFolder unless it is an upload's id in the account's folder."""
        (prefix,) = self.prefixes
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or "/" in name or name in ("", ".", ".."):
            raise OutsideFolder("There is no such upload.")
        return key


@dataclass(frozen=True, slots=True)
class SearchUpload:
    """A picture to search by.

    Args:
        size: in bytes, as its form accepts it; ``mime_type`` likewise.
        token: the id of the token that prepared it.
    """

    id: str
    account: str
    size: int
    mime_type: str
    created_at: datetime
    token: str | None = None

    @property
    def expires_at(self) -> datetime:
        return self.created_at + SEARCH_UPLOAD_AGE

    @property
    def area(self) -> SearchUploadArea:
        return SearchUploadArea(self.account)

    @property
    def key(self) -> str:
        return f"{SEARCH_STAGING}/{self.account}/{self.id}"


def hour_of(moment: datetime) -> str:
    """The hour whose search uploads a moment counts among, as ``2026-11-26T12``."""
    return f"{moment:%Y-%m-%dT%H}"


def next_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
