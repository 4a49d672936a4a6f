"""Uploads by URL: fetches a picture of the Web and stores it as an upload in one request does."""

from dataclasses import dataclass

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import Collection, check_takes_uploads
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.image_files import parse_file_name
from chalicelib.domain.uploads import CompletedUpload
from chalicelib.domain.web_pictures import NewUrlUpload, PictureUrl
from chalicelib.services.pipeline.upload_completion import LOCK_WAIT_SECONDS
from chalicelib.services.ports import Clock, WebPictures
from chalicelib.services.uploads import UploadService

NAMELESS = "picture"  # the name of a file whose URL has none


@dataclass(frozen=True, slots=True)
class UrlUploadService:
    web: WebPictures
    uploads: UploadService
    now: Clock

    def upload(self, caller: Caller, collection: Collection, new: NewUrlUpload) -> CompletedUpload:
        """Fetch a picture, store it and index it; the URL's last part names the file unless ``new`` has a path.

        Raises:
            UnreadableUrl: it cannot be fetched.
            UnsupportedMediaType: it is no picture.
            PayloadTooLarge: it has more than 20 MiB.

        And what ``UploadService.store`` raises.
        """
        check_takes_uploads(collection)
        asked_at = self.now()
        self.uploads.check_quota(caller, collection, new.path if new.path is not None else _file_name(new.url))
        picture = self.web.fetch(new.url)
        path = new.path if new.path is not None else _file_name(picture.url)
        # The embedder needs what the request has left after the longest wait, for whatever it has waited.
        patience = max(0.0, LOCK_WAIT_SECONDS - (self.now() - asked_at).total_seconds())
        return self.uploads.store(caller, collection, path, picture.body, new.rule, new.metadata, patience)


def _file_name(url: PictureUrl) -> str:
    try:
        return parse_file_name(url.file_name)
    except InvalidRequest:
        return NAMELESS
