"""Uploads of pictures to search by: a client sends one to S3 with a presigned form, and its id is then a query."""

import uuid
from dataclasses import dataclass

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import parse_uuid
from chalicelib.domain.embeddings import EMBEDDER_URL_SECONDS
from chalicelib.domain.errors import NotFound, QuotaExceeded
from chalicelib.domain.origins import origin_of
from chalicelib.domain.search_uploads import (
    NO_SEARCH_UPLOAD,
    SEARCH_UPLOADS_AN_HOUR,
    NewSearchUpload,
    SearchUpload,
    SearchUploadArea,
    next_hour,
)
from chalicelib.domain.uploads import UPLOAD_WINDOW, UploadForm
from chalicelib.services.ports import Clock, ManagedStorage, SearchUploads


@dataclass(frozen=True, slots=True)
class SearchUploadService:
    uploads: SearchUploads
    storage: ManagedStorage
    now: Clock

    def prepare(self, caller: Caller, new: NewSearchUpload) -> tuple[SearchUpload, UploadForm]:
        """A new upload, and the form that takes its bytes for ten minutes.

        Raises:
            QuotaExceeded: the account has prepared ``SEARCH_UPLOADS_AN_HOUR`` in this hour.
        """
        now = self.now()
        token = caller.token.id if caller.token is not None else None
        upload = SearchUpload(str(uuid.uuid4()), caller.account, new.size, new.mime_type, now, token)
        if not self.uploads.add(upload, SEARCH_UPLOADS_AN_HOUR):
            raise QuotaExceeded(
                f"An account may upload {SEARCH_UPLOADS_AN_HOUR:,} pictures an hour to search by. They are used up.",
                resets_at=next_hour(now),
            )
        seconds = int(UPLOAD_WINDOW.total_seconds())
        form = self.storage.presigned_form(
            upload.area, upload.key, size=new.size, content_type=new.mime_type, seconds=seconds
        )
        return upload, form

    def origins(self, account: str) -> frozenset[str]:
        """Where forms are sent to and pictures are read from: the origins that a page's policy must allow."""
        area = SearchUploadArea(account)
        key = f"{area.prefixes[0]}origin"
        form = self.storage.presigned_form(area, key, size=1, content_type="image/jpeg", seconds=1)
        return frozenset({origin_of(form.url), origin_of(self.storage.presigned_get(area, key, seconds=1))})

    def get(self, caller: Caller, upload_id: str) -> SearchUpload:
        """The account's upload; of a token that does not reach all of the account, one that it has prepared.

        Raises:
            NotFound: there is none, or it has expired.
        """
        upload = self.uploads.get(caller.account, parse_uuid(upload_id))
        if upload is None or upload.expires_at <= self.now() or not _reaches(caller, upload):
            raise NotFound(NO_SEARCH_UPLOAD)
        return upload

    def has_arrived(self, upload: SearchUpload) -> bool:
        """Whether the client has sent its bytes."""
        return self.storage.stored(upload.area, upload.key) is not None

    def picture_url(self, upload: SearchUpload) -> str:
        """A presigned URL of its bytes, for the embedder."""
        return self.storage.presigned_get(upload.area, upload.key, seconds=EMBEDDER_URL_SECONDS)

    def delete(self, caller: Caller, upload_id: str) -> None:
        """Delete an upload and its bytes; raises as ``get`` does."""
        upload = self.get(caller, upload_id)
        self.storage.delete(upload.area, upload.key)
        self.uploads.remove(caller.account, upload.id)


def _reaches(caller: Caller, upload: SearchUpload) -> bool:
    token = caller.token
    return token is None or (token.collections is None and token.origins is None) or token.id == upload.token
