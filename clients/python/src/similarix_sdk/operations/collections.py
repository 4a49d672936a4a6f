"""Collections: connected buckets and managed storage."""

from collections.abc import Sequence
from typing import Any

from similarix_sdk.decoding import decode, decode_all
from similarix_sdk.models import BucketAccessReport, Collection, CreatedCollection, ObjectExplanation
from similarix_sdk.requests import Request, parameters, path, present
from similarix_sdk.steps import Envelope, Resource, Steps, operation
from similarix_sdk.unchanged import UNCHANGED, Unchanged

COLLECTIONS = "/api/collections/"
COLLECTION = "/api/collections/{uuid}/"


class CollectionOperations(Resource):
    """The account's collections."""

    @operation
    def list(self) -> Steps[tuple[Collection, ...]]:
        """All collections that the token reaches."""
        envelope = yield from self._api.call(Request("GET", COLLECTIONS))
        return decode_all(Collection, envelope.result.get("collections"))

    @operation
    def get(self, uuid: str) -> Steps[Collection]:
        """One collection."""
        envelope = yield from self._api.call(Request("GET", path(COLLECTION, uuid=uuid)))
        return decode(Collection, envelope.result.get("collection"))

    @operation
    def create_managed(self, name: str, *, idempotency_key: str | None = None) -> Steps[CreatedCollection]:
        """A collection in managed storage, which takes uploads."""
        request = Request("POST", COLLECTIONS, json={"type": "managed", "name": name})
        return _created((yield from self._api.call(request.keyed(idempotency_key))))

    @operation
    def check(
        self,
        bucket: str,
        *,
        region: str | None = None,
        folder: str | None = None,
        role_arn: str | None = None,
        endpoint: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> Steps[BucketAccessReport]:
        """The role that a bucket needs, and what is still missing. It changes nothing.

        Args:
            region: of a bucket on AWS it must be given.
            endpoint: the server of a bucket that is not on AWS, which an access key reads in place of a role.
        """
        body = present(bucket=bucket, folder=folder, region=region, role_arn=role_arn, endpoint=endpoint)
        body |= present(access_key_id=access_key_id, secret_access_key=secret_access_key)
        envelope = yield from self._api.call(Request("POST", f"{COLLECTIONS}check/", json=body))
        return decode(BucketAccessReport, envelope.result)

    @operation
    def connect(
        self,
        bucket: str,
        *,
        name: str,
        region: str | None = None,
        role_arn: str | None = None,
        endpoint: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        folder: str | None = None,
        auto_sync_interval: str | None = None,
        auto_sync_at: int | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Steps[CreatedCollection]:
        """A collection on a bucket that the role may read; ``check`` says which role that is.

        A bucket that is not on AWS has an ``endpoint`` and an access key in place of the role.

        Args:
            folder: such as ``/photos``; the whole bucket unless given.
            auto_sync_interval: ``manual``, ``daily``, ``weekly`` or ``monthly``.
            auto_sync_at: the hour of the day in UTC.
            include, exclude: patterns of keys; without them the API's defaults.
        """
        body: dict[str, Any] = present(
            type="s3",
            name=name,
            bucket=bucket,
            folder=folder,
            region=region,
            role_arn=role_arn,
            endpoint=endpoint,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            auto_sync_interval=auto_sync_interval,
            auto_sync_at=auto_sync_at,
        )
        body |= {key: [*value] for key, value in (("include", include), ("exclude", exclude)) if value is not None}
        request = Request("POST", COLLECTIONS, json=body)
        return _created((yield from self._api.call(request.keyed(idempotency_key))))

    @operation
    def change(
        self,
        uuid: str,
        *,
        name: str | None = None,
        role_arn: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        auto_sync_interval: str | Unchanged | None = UNCHANGED,
        auto_sync_at: int | Unchanged | None = UNCHANGED,
        include: Sequence[str] | Unchanged | None = UNCHANGED,
        exclude: Sequence[str] | Unchanged | None = UNCHANGED,
    ) -> Steps[CreatedCollection]:
        """Change what is given; None stands for the API's default, and what is not given stays."""
        body = present(name=name, role_arn=role_arn, access_key_id=access_key_id, secret_access_key=secret_access_key)
        others = {
            "auto_sync_interval": auto_sync_interval,
            "auto_sync_at": auto_sync_at,
            "include": include,
            "exclude": exclude,
        }
        for key, value in others.items():
            if not isinstance(value, Unchanged):
                body[key] = [*value] if isinstance(value, Sequence) and not isinstance(value, str) else value
        return _created((yield from self._api.call(Request("PATCH", path(COLLECTION, uuid=uuid), json=body))))

    @operation
    def delete(self, uuid: str) -> Steps[None]:
        """Delete a collection with its index. Of a connected bucket, the objects stay; managed files are deleted."""
        yield from self._api.call(Request("DELETE", path(COLLECTION, uuid=uuid)))

    @operation
    def explain(self, uuid: str, *, key: str | None = None, path: str | None = None) -> Steps[ObjectExplanation]:
        """Why a search finds an object, or does not, by its key in S3 or its path in the collection."""
        target = _explanation(uuid)
        envelope = yield from self._api.call(Request("GET", target, parameters(key=key, path=path)))
        return decode(ObjectExplanation, envelope.result)


def _explanation(uuid: str) -> str:
    return path(COLLECTION + "explain/", uuid=uuid)


def _created(envelope: Envelope) -> CreatedCollection:
    return decode(CreatedCollection, {"collection": envelope.result.get("collection"), **envelope.info})
