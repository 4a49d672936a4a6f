"""What the API answers, as frozen dataclasses."""

from similarix_sdk.models.accounts import AccessToken, Account, CreatedToken, PlanLimit, PlanLimits, RequestRates
from similarix_sdk.models.base import Model
from similarix_sdk.models.collections import (
    AccessProblem,
    AccessWarning,
    BucketAccessReport,
    Collection,
    CollectionStatistics,
    CreatedCollection,
    ObjectEvent,
    ObjectExplanation,
    ObjectInBucket,
    ObjectInCatalogue,
    ObjectOutcome,
    SyncPreview,
    SyncProgress,
    SyncState,
)
from similarix_sdk.models.files import (
    DeletionReport,
    DownloadLink,
    FileOutcome,
    FoldedDuplicates,
    FoundFile,
    ListedFile,
)
from similarix_sdk.models.pages import Page
from similarix_sdk.models.uploads import (
    PreparedSearchUpload,
    PreparedUpload,
    SearchUpload,
    Upload,
    UploadedPicture,
    UploadForm,
)

__all__ = [
    "AccessProblem",
    "AccessToken",
    "AccessWarning",
    "Account",
    "BucketAccessReport",
    "Collection",
    "CollectionStatistics",
    "CreatedCollection",
    "CreatedToken",
    "DeletionReport",
    "DownloadLink",
    "FileOutcome",
    "FoldedDuplicates",
    "FoundFile",
    "ListedFile",
    "Model",
    "ObjectEvent",
    "ObjectExplanation",
    "ObjectInBucket",
    "ObjectInCatalogue",
    "ObjectOutcome",
    "Page",
    "PlanLimit",
    "PlanLimits",
    "PreparedSearchUpload",
    "PreparedUpload",
    "RequestRates",
    "SearchUpload",
    "SyncPreview",
    "SyncProgress",
    "SyncState",
    "Upload",
    "UploadForm",
    "UploadedPicture",
]
