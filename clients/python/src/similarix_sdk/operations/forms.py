"""Sends a file to S3 by a form that the API has prepared."""

from similarix_sdk.models import UploadForm
from similarix_sdk.pictures import Picture, Progress
from similarix_sdk.requests import FilePart, Request
from similarix_sdk.sending import check_form
from similarix_sdk.steps import Sender, Steps


def send_form(api: Sender, form: UploadForm, picture: Picture, progress: Progress | None) -> Steps[None]:
    """Raises UploadRefused where S3 does not take it. The same bytes may be sent again."""
    request = Request("POST", form.url, form=form.fields, file=FilePart(picture, progress))
    check_form((yield from api.send(request)))
