"""The URLs of thumbnails and originals in responses: signed, so that they work without a token."""

from dataclasses import dataclass
from urllib.parse import urlencode

from chalicelib.domain.thumbnails import ThumbnailSize
from chalicelib.services.links import LinkService


def thumbnail_path(collection: str, file: str) -> str:
    return f"/media/{collection}/{file}.jpg"


def download_path(file: str) -> str:
    return f"/collections/download/{file}/"


@dataclass(frozen=True, slots=True)
class FileLinks:
    """Makes the URLs of one account's files, below the API's base URL."""

    base_url: str
    account: str
    service: LinkService

    def thumbnail(self, collection: str, file: str, md5: str, size: ThumbnailSize = ThumbnailSize.MEDIUM) -> str:
        link = self._signed(thumbnail_path(collection, file), md5)
        return link if size is ThumbnailSize.MEDIUM else f"{link}&size={size.value}"

    def download(self, file: str, md5: str) -> str:
        return self._signed(download_path(file), md5)

    def _signed(self, path: str, md5: str) -> str:
        expires, signature = self.service.sign(path, self.account, md5)
        return f"{self.base_url}{path}?{urlencode({'expires': expires, 'signature': signature})}"
