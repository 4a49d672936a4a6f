"""Single files: their thumbnails and their originals."""

from dataclasses import dataclass

from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.services.collecting import CollectionService, checked_uuid
from chalicelib.services.ports import Catalogue, ManagedStorage, Sources

DOWNLOAD_SECONDS = 300  # of a presigned URL that a person follows at once


@dataclass(frozen=True, slots=True)
class Files:
    """Raises NotFound alike for what does not exist and for what is another account's."""

    collections: CollectionService
    catalogue: Catalogue
    sources: Sources
    storage: ManagedStorage

    def thumbnail(self, account: str, collection: str, file: str) -> bytes:
        """The JPEG of an indexed file."""
        record = self._record(account, file)
        picture = self.storage.thumbnail(record.collection, record.uuid) if record.collection == collection else None
        if picture is None:
            raise NotFound("There is no such thumbnail.")
        return picture

    def download_url(self, account: str, file: str) -> str:
        """A URL that serves the original for five minutes."""
        record = self._record(account, file)
        source = self.sources.of(self.collections.get(account, record.collection))
        return source.url(record.key, seconds=DOWNLOAD_SECONDS, file_name=record.key.rpartition("/")[2])

    def _record(self, account: str, file: str) -> FileRecord:
        record = self.catalogue.find(checked_uuid(file))
        if record is None or record.account != account or record.state is not FileState.INDEXED:
            raise NotFound("There is no such file.")
        return record
