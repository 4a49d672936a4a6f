"""Removed files are deleted for good once their days are over."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.files import FileRecord, FileState
from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from tests.e2e.harness import SCHEDULED_EVENT, SampleBucket, eventually, picture


def test_the_purge_deletes_records_and_thumbnails_whose_days_are_over_and_no_others(
    bucket: SampleBucket, deployment: Deployment, stack: LocalSystem, aws: Callable[[str], Any]
) -> None:
    catalogue = deployment.services.adapters.catalogue
    s3, thumbnails = aws("s3"), stack.outputs["ThumbnailsBucketName"]

    def in_state(key: str, state: FileState) -> FileRecord | None:
        record = catalogue.get(stack.collection, key)
        return record if record is not None and record.state is state else None

    def has_thumbnail(record: FileRecord) -> bool:
        key = f"{stack.collection}/{record.thumbnail}.jpg"
        return bool(s3.list_objects_v2(Bucket=thumbnails, Prefix=key)["KeyCount"])

    removed = []
    for key in ("photos/removed-long-ago.jpg", "photos/removed-now.jpg"):
        bucket.put(key, picture("owl.jpg"))
        eventually(lambda key=key: in_state(key, FileState.INDEXED))
        bucket.delete(key)
        removed.append(eventually(lambda key=key: in_state(key, FileState.REMOVED)))
    expired, kept = removed
    assert expired is not None
    assert kept is not None
    assert has_thumbnail(expired)
    long_ago = replace(expired, updated_at=datetime.now(UTC) - timedelta(days=60), version=expired.version + 1)
    catalogue.save(long_ago, expired)

    answer = aws("lambda").invoke(FunctionName=stack.outputs["PurgeName"], Payload=json.dumps(SCHEDULED_EVENT))

    assert "FunctionError" not in answer
    eventually(lambda: catalogue.get(stack.collection, expired.key) is None and not has_thumbnail(expired))
    assert catalogue.get(stack.collection, kept.key) == kept
    assert has_thumbnail(kept)
