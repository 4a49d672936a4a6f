"""What a response shows has exactly the fields that the OpenAPI document describes."""

from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from chalicelib.api import serializers
from chalicelib.api.links import FileLinks
from chalicelib.api.openapi.schemas import SCHEMAS
from chalicelib.domain.bucket_access import AccessFindings, AccessReport, AccessWarning
from chalicelib.domain.collections import AutoSync
from chalicelib.domain.files import FileState
from chalicelib.domain.vectors import Hit, vector_document
from chalicelib.services.links import LinkService
from tests.factories import NOW, a_collection, a_record, an_embedding
from tests.fakes.signing_keys import FakeSigningKeys

LINKS = FileLinks("https://similarix.example", "an account", LinkService(FakeSigningKeys(), lambda: NOW))
COLLECTION = a_collection()
INDEXED = a_record(COLLECTION, "pictures/owl.jpg")
FAILED = a_record(
    COLLECTION, "pictures/notes.jpg", embedding=None, state=FileState.FAILED, reason="not_an_image", detail="Not one."
)
FOUND = Hit(uuid=INDEXED.uuid, file=vector_document(INDEXED, an_embedding(), COLLECTION).file, distance=0.25)


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ("FoundFile", serializers.hit(FOUND, LINKS)),
        ("ListedFile", serializers.file(INDEXED, COLLECTION, LINKS)),
        ("ListedFile", serializers.file(FAILED, COLLECTION, LINKS)),
        ("PictureCollection", serializers.collection(COLLECTION, NOW, 3600)),
        ("PictureCollection", serializers.collection(replace(COLLECTION, auto_sync=AutoSync.MONTHLY), NOW, 3600)),
        ("SyncState", serializers.sync_status(COLLECTION, NOW, 3600)),
    ],
)
def test_what_is_shown_conforms_to_its_schema(schema: str, shown: dict[str, Any]) -> None:
    described = {**SCHEMAS[schema], "components": {"schemas": SCHEMAS}}
    jsonschema.Draft202012Validator(described).validate(shown)


def test_a_bucket_of_another_region_is_given_no_notifications_that_s3_would_refuse() -> None:
    findings = AccessFindings(warnings=[AccessWarning("some_archived", "One is.", ("pictures/a.jpg",))])
    for region, configured in (("eu-west-1", True), ("eu-central-1", False)):
        report = AccessReport(replace(COLLECTION, region=region), findings)
        shown = serializers.access_report(report, "arn:aws:sqs:eu-west-1:111122223333:events")
        jsonschema.Draft202012Validator({**SCHEMAS["BucketAccessReport"], "components": {"schemas": SCHEMAS}}).validate(
            shown
        )
        assert (shown["notification_configuration"] is not None) is configured
        assert shown["warnings"] == [{"warning": "some_archived", "message": "One is.", "examples": ["pictures/a.jpg"]}]


def test_a_listed_file_has_the_fields_of_a_search_result_with_the_same_values() -> None:
    found = serializers.hit(FOUND, LINKS)
    del found["distance"]
    assert found.items() <= serializers.file(INDEXED, COLLECTION, LINKS).items()
