"""Checks of the access to buckets, in memory."""

from dataclasses import replace

from chalicelib.domain.bucket_access import (
    AccessFindings,
    AccessProblem,
    ReadTrial,
    empty_folder,
    existing_spelling,
    external_id_not_required,
    findings_of_trials,
    folder_problem,
)
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import SourceUnavailable
from chalicelib.domain.storage_servers import ETagMeaning
from tests.fakes.buckets import FakeBucket, FakeSources


class FakeAccessChecker:
    """Tests may inspect ``checked``, every collection whose access was checked, in order.

    A test names in ``open_roles`` the roles that can be assumed without the external id, or with any, and in ``etags``
    what those of a server mean.
    """

    def __init__(self, sources: FakeSources) -> None:
        self.checked: list[Collection] = []
        self.open_roles: set[str] = set()
        self.etags = ETagMeaning.OPAQUE
        self._sources = sources

    def check(self, collection: Collection) -> AccessFindings:
        self.checked.append(collection)
        if collection.role_arn is not None:
            if (problem := folder_problem(collection)) is not None:
                return AccessFindings([problem])
            if collection.role_arn in self.open_roles:
                return AccessFindings([external_id_not_required(collection.role_arn)])
        bucket = self._sources.buckets.get(collection.bucket)
        if bucket is None:
            return AccessFindings(
                [AccessProblem("no_such_bucket", f"There is no bucket {collection.bucket}.", "bucket")]
            )
        if bucket.down:
            raise SourceUnavailable("The bucket is down, as the test wants it.")
        if bucket.region not in (None, collection.region):
            return AccessFindings([AccessProblem("wrong_region", f"The bucket is in {bucket.region}.", "region")])
        if bucket.unlisted:
            field = "access_key_id" if collection.server else "role_arn"
            problem = AccessProblem("list_denied", "The bucket may not be listed, as the test wants it.", field)
            return AccessFindings([problem])
        trials = {key: _trial(bucket, key) for key in sorted(bucket.objects) if collection.holds(key)}
        if not trials:
            existing = existing_spelling(collection.prefix, lambda prefix: _folders(bucket, prefix))
            return AccessFindings([], [empty_folder(collection, existing)])
        etags = self.etags if collection.server else None
        return replace(findings_of_trials(collection, trials), etags=etags)


def _trial(bucket: FakeBucket, key: str) -> ReadTrial:
    if key in bucket.archived:
        return ReadTrial.ARCHIVED
    return ReadTrial.DENIED if key in bucket.denied | bucket.sealed else ReadTrial.READABLE


def _folders(bucket: FakeBucket, prefix: str) -> set[str]:
    below = (key.removeprefix(prefix) for key in bucket.objects if key.startswith(prefix))
    return {f"{prefix}{name.partition('/')[0]}/" for name in below if "/" in name}
