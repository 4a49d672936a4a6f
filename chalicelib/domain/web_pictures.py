"""Pictures of the Web that a caller names by their URL: which URLs are fetched, and how long that may take."""

from dataclasses import dataclass, field
from urllib.parse import unquote

from chalicelib.domain.errors import UnreadableUrl
from chalicelib.domain.metadata import Metadata
from chalicelib.domain.uploads import NameRule
from chalicelib.domain.web_urls import WebUrl, parse_https_url

REDIRECTS_MAX = 3
# A request has 29 s (API Gateway's limit), of which the embedder may take 18 (``adapters.factory.embedder_client``). It
# waits the shorter for a locked file, the longer the fetch has taken.
FETCH_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class PictureUrl(WebUrl):
    """A URL that may be fetched."""

    @property
    def file_name(self) -> str:
        """The last part of its path, decoded; empty where the path ends with a slash."""
        return unquote(self.target.partition("?")[0]).rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class WebPicture:
    """What a URL gave: the bytes, and the URL that gave them after all redirects."""

    body: bytes
    url: PictureUrl


@dataclass(frozen=True, slots=True)
class NewUrlUpload:
    """A picture to fetch; without ``path`` its URL names the file."""

    url: PictureUrl
    path: str | None = None
    rule: NameRule = NameRule.NUMBER
    metadata: Metadata | None = field(default=None, hash=False)


def parse_picture_url(value: object) -> PictureUrl:
    """The URL of a picture: HTTPS on its own port, with the name of a server, and without credentials.

    Raises:
        InvalidRequest: it is anything else.
    """
    url = parse_https_url(value)
    return PictureUrl(url.host, url.port, url.target)


def unreadable_url(reason: str) -> UnreadableUrl:
    """The error for a caller whose URL gave no picture."""
    return UnreadableUrl(f"The picture of this URL could not be fetched: {reason}.", field="url")
