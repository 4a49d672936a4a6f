"""Puts sample pictures into a managed collection, for an account that has none of its own yet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.domain.accounts import Caller
from chalicelib.domain.collections import Collection, CollectionType, NewManagedCollection
from chalicelib.domain.uploads import NewUpload
from chalicelib.services.collections import CollectionService
from chalicelib.services.ports import Clock, ManagedStorage
from chalicelib.services.uploads import UploadService

TIME_TO_ADD = timedelta(seconds=20)  # API Gateway ends a request after 29


@dataclass(frozen=True, slots=True)
class SampleService:
    collections: CollectionService
    uploads: UploadService
    storage: ManagedStorage
    now: Clock

    def add(self, caller: Caller, name: str, pictures: Mapping[str, bytes]) -> Collection:
        """A collection of this name with the pictures; each can be searched once the uploads' worker has seen it.

        The bytes are staged as those of uploads in two steps are, so the request waits for no embedding. An account
        that has such a collection gets no second one; one without files is filled. Where the storage is slow, it has
        fewer pictures. A plan without managed storage has room for the samples, once a month, but for no more
        collections than it allows.

        Args:
            pictures: JPEGs by their names.

        Raises:
            QuotaExceeded: the plan has no room for the collection or for all pictures; those before are kept. Where
                there is room for none, no collection is made.
        """
        present = self._find(caller.account, name)
        if present is not None and present.files:
            return present
        plan = caller.plan
        room = replace(
            plan,
            uploads_a_month=plan.uploads_a_month + len(pictures),
            managed_bytes=plan.managed_bytes + sum(map(len, pictures.values())),
        )
        caller = replace(caller, plan=room)
        self.uploads.check_room(caller, max(map(len, pictures.values())))
        collection = present or self.collections.create(caller, NewManagedCollection(name)).collection
        end = self.now() + TIME_TO_ADD
        for path, body in pictures.items():
            if self.now() > end:
                break
            upload = self.uploads.prepare(caller, collection, NewUpload(path, len(body), "image/jpeg")).upload
            self.storage.put(upload.area, upload.staged_key, body, "image/jpeg")
        return collection

    def _find(self, account: str, name: str) -> Collection | None:
        """The account's collection of samples, if it has one of this name; of several, one that has files."""
        managed = (c for c in self.collections.all(account) if c.type is CollectionType.MANAGED)
        named = [collection for collection in managed if collection.name == name]
        return next((collection for collection in named if collection.files), next(iter(named), None))
