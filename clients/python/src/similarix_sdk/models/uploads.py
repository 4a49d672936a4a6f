"""Uploads in one step and in two."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from similarix_sdk.models.base import Model


@dataclass(frozen=True, kw_only=True)
class UploadedPicture(Model):
    """A stored picture, which searches find; ``replaced`` says whether another was under its path."""

    message: str
    collection: str
    file: str
    mime_type: str
    uuid: str
    path: str
    replaced: bool


@dataclass(frozen=True, kw_only=True)
class UploadForm(Model):
    """A form of S3's: its fields are sent to the URL, with the file behind them."""

    url: str
    fields: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Upload(Model):
    """``state`` is ``pending``, ``done`` with the file's ``uuid``, or ``failed`` with ``reason`` and ``detail``."""

    id: str
    collection: str
    path: str
    size: int
    state: str
    reason: str | None
    detail: str | None
    uuid: str | None
    mime_type: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class PreparedUpload(Model):
    message: str
    upload: Upload
    form: UploadForm


@dataclass(frozen=True, kw_only=True)
class SearchUpload(Model):
    """A picture to search by, until ``expires_at``."""

    id: str
    size: int
    mime_type: str
    arrived: bool
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class PreparedSearchUpload(Model):
    message: str
    upload: SearchUpload
    form: UploadForm
