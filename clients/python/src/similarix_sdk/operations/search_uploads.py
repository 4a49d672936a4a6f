"""Pictures that are uploaded to search by."""

from similarix_sdk.decoding import decode
from similarix_sdk.models import PreparedSearchUpload, SearchUpload
from similarix_sdk.operations.forms import send_form
from similarix_sdk.pictures import Picture, PictureSource, Progress, picture_of
from similarix_sdk.requests import Request, path
from similarix_sdk.steps import Resource, Sender, Steps, operation

UPLOADS = "/api/search/uploads/"
UPLOAD = "/api/search/uploads/{id}/"


class SearchUploadOperations(Resource):
    """A picture to search by has up to 20 MiB and is kept for an hour, in no collection."""

    @operation
    def send(self, picture: PictureSource, *, progress: Progress | None = None) -> Steps[SearchUpload]:
        """Upload a picture; its ``id`` is the ``upload`` of searches."""
        return send_search_upload(self._api, picture_of(picture), progress)

    @operation
    def prepare(self, size: int, mime_type: str, *, idempotency_key: str | None = None) -> Steps[PreparedSearchUpload]:
        """A form for a picture of exactly this size in bytes, and of this type."""
        return prepare_search_upload(self._api, size, mime_type, idempotency_key)

    @operation
    def get(self, id: str) -> Steps[SearchUpload]:
        """Whether the picture has arrived."""
        envelope = yield from self._api.call(Request("GET", path(UPLOAD, id=id)))
        return decode(SearchUpload, envelope.result.get("upload"))

    @operation
    def delete(self, id: str) -> Steps[None]:
        """Delete it before its hour is over."""
        yield from self._api.call(Request("DELETE", path(UPLOAD, id=id)))


def prepare_search_upload(api: Sender, size: int, mime_type: str, key: str | None) -> Steps[PreparedSearchUpload]:
    request = Request("POST", UPLOADS, json={"size": size, "mime_type": mime_type})
    return decode(PreparedSearchUpload, (yield from api.call(request.keyed(key))).result)


def send_search_upload(api: Sender, picture: Picture, progress: Progress | None) -> Steps[SearchUpload]:
    prepared = yield from prepare_search_upload(api, picture.size, picture.mime_type, None)
    yield from send_form(api, prepared.form, picture, progress)
    return prepared.upload
