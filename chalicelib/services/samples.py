"""Puts sample pictures into a managed collection, for an account that has none of its own yet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import Collection, CollectionType, NewManagedCollection
from chalicelib.domain.uploads import NewUpload
from chalicelib.services.collections import CollectionService
from chalicelib.services.ports import ManagedStorage
from chalicelib.services.uploads import UploadService


@dataclass(frozen=True, slots=True)
class SampleService:
    collections: CollectionService
    uploads: UploadService
    storage: ManagedStorage

    def find(self, account: str, name: str) -> Collection | None:
        """The account's collection of samples, if it has one of this name."""
        managed = (c for c in self.collections.all(account) if c.type is CollectionType.MANAGED)
        return next((collection for collection in managed if collection.name == name), None)

    def add(self, caller: Caller, name: str, pictures: Mapping[str, bytes]) -> Collection:
        """A collection of this name with the pictures; each can be searched once the uploads' worker has seen it.

        The bytes are staged as those of uploads in two steps are, so the request waits for no embedding. An account
        that has such a collection gets no second one. A plan without managed storage has room for the samples, once a
        month, but no other collection beside them than it allows.

        Args:
            pictures: JPEGs by their names.

        Raises:
            QuotaExceeded: the plan has no room for the collection or for all pictures; those before are kept.
        """
        present = self.find(caller.account, name)
        if present is not None:
            return present
        collection = self.collections.create(caller, NewManagedCollection(name)).collection
        plan = caller.plan
        room = replace(
            plan,
            uploads_a_month=plan.uploads_a_month + len(pictures),
            managed_bytes=plan.managed_bytes + sum(map(len, pictures.values())),
        )
        caller = replace(caller, plan=room)
        for path, body in pictures.items():
            upload = self.uploads.prepare(caller, collection, NewUpload(path, len(body), "image/jpeg")).upload
            self.storage.put(upload.area, upload.staged_key, body, "image/jpeg")
        return collection
