"""Checks of the access to buckets, in memory."""

from chalicelib.domain.bucket_access import AccessProblem
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import SourceUnavailable
from tests.fakes.buckets import FakeSources


class FakeAccessChecker:
    """Tests may inspect ``checked``, every collection whose access was checked, in order."""

    def __init__(self, sources: FakeSources) -> None:
        self.checked: list[Collection] = []
        self._sources = sources

    def check(self, collection: Collection) -> list[AccessProblem]:
        self.checked.append(collection)
        bucket = self._sources.buckets.get(collection.bucket)
        if bucket is None:
            return [AccessProblem("no_such_bucket", f"There is no bucket {collection.bucket}.", "bucket")]
        if bucket.down:
            raise SourceUnavailable("The bucket is down, as the test wants it.")
        if bucket.unlisted:
            return [AccessProblem("list_denied", "The bucket may not be listed, as the test wants it.", "role_arn")]
        return []
