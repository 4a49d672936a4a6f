"""A client of the Similarix API, sync and async: ``Client`` and ``AsyncClient``."""

from similarix_sdk import errors, models
from similarix_sdk.client import AsyncClient, Client
from similarix_sdk.errors import ApiError, SimilarixError
from similarix_sdk.folders import FolderOutcome
from similarix_sdk.models import Page
from similarix_sdk.queries import File, Filter, PreparedPicture, Text
from similarix_sdk.retries import NO_RETRIES, RetryPolicy

__all__ = [
    "NO_RETRIES",
    "ApiError",
    "AsyncClient",
    "Client",
    "File",
    "Filter",
    "FolderOutcome",
    "Page",
    "PreparedPicture",
    "RetryPolicy",
    "SimilarixError",
    "Text",
    "errors",
    "models",
]
