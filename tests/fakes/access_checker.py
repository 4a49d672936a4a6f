"""Checks of the access to buckets, in memory."""

from chalicelib.domain.bucket_access import AccessProblem, external_id_not_required, folder_problem
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import SourceUnavailable
from tests.fakes.buckets import FakeSources


class FakeAccessChecker:
    """Tests may inspect ``checked``, every collection whose access was checked, in order.

    A test names in ``open_roles`` the roles that can be assumed without the external id, or with any.
    """

    def __init__(self, sources: FakeSources) -> None:
        self.checked: list[Collection] = []
        self.open_roles: set[str] = set()
        self._sources = sources

    def check(self, collection: Collection) -> list[AccessProblem]:
        self.checked.append(collection)
        if collection.role_arn is not None:
            if (problem := folder_problem(collection)) is not None:
                return [problem]
            if collection.role_arn in self.open_roles:
                return [external_id_not_required(collection.role_arn)]
        bucket = self._sources.buckets.get(collection.bucket)
        if bucket is None:
            return [AccessProblem("no_such_bucket", f"There is no bucket {collection.bucket}.", "bucket")]
        if bucket.down:
            raise SourceUnavailable("The bucket is down, as the test wants it.")
        if bucket.unlisted:
            return [AccessProblem("list_denied", "The bucket may not be listed, as the test wants it.", "role_arn")]
        return []
