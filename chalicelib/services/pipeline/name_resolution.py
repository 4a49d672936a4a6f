"""Under which key an upload is stored: its own, or that of a numbered name beside another picture.

The rule (docs/decisions/0064): only a worker that has a key locked stores a picture there, and only after S3 has said
what lies there. A key that holds another picture, or gets one, is passed over by an upload that does not replace; one
that holds the same picture, or may get it, is waited for. Each lock names the picture that is being stored, so that
uploads of different pictures under one name wait for nobody.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chalicelib.domain.errors import FileExists
from chalicelib.domain.file_paths import other_paths
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.uploads import FileClaim, FileLock, ManagedArea, NameRule, Upload
from chalicelib.services.ports import Catalogue, Clock, ManagedStorage, QuotaLedger

LOCK_TIME = timedelta(seconds=200)  # longer than a worker runs


class Occupant(StrEnum):
    """What lies under a locked key.

    ``NOTHING``: no file, or one of this upload or of an unfinished one of the same picture. ``SAME``: a file with the
    same picture. ``OTHER``: another picture.
    """

    NOTHING = "nothing"
    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Place:
    """A locked key, and what lies there.

    ``staged_md5`` is of the picture for which it was locked, ``md5`` of what lies there.
    """

    lock: FileLock
    occupant: Occupant
    staged_md5: str | None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class NameResolver:
    catalogue: Catalogue
    quota_ledger: QuotaLedger
    storage: ManagedStorage
    now: Clock

    def find(self, area: ManagedArea, key: str, md5: str, rule: NameRule) -> FileRecord | None:
        """The file that an upload of this picture would find or, with ``REFUSE``, meet; None if it is to be stored.

        A file that is being changed is not found: it may be about to be deleted, so the upload waits for its lock.
        """
        claims = self._claims(area, [key])
        if key not in claims or claims[key].charged is None:
            return None
        if rule is NameRule.REFUSE:
            return self._indexed(area, key, None)
        if claims[key].md5 == md5:
            return self._indexed(area, key, md5) if not claims[key].is_locked else None
        if rule is NameRule.NUMBER:
            for keys in self._other_keys(area, key, md5):
                claims = self._claims(area, keys)
                for other, claim in claims.items():
                    if claim.md5 == md5:
                        return self._indexed(area, other, md5) if not claim.is_locked else None
                if len(claims) < len(keys):
                    return None
        return None

    def lock(self, upload: Upload, md5: str | None) -> Place | None:
        """Lock the key under which the upload is to be stored; None if it must be tried again later.

        Args:
            md5: of the staged bytes; None if there are none, or they are not to be stored: then the upload's target is
                locked, whatever lies there.

        Raises:
            FileExists: every name is taken.
        """
        place = self._lock(upload, upload.target, md5)
        if place is not None and not self._is_passed_over(upload, place):
            return place
        if place is not None:
            self.quota_ledger.unlock(place.lock)
        elif md5 is None or upload.rule is not NameRule.NUMBER or not self._is_anothers(upload, md5):
            return None
        assert md5 is not None
        return self._lock_other(upload, md5)

    def _lock_other(self, upload: Upload, md5: str) -> Place | None:
        for keys in self._other_keys(upload.area, upload.key, md5):
            passed_over: set[str] = set()
            for _ in range(2 * len(keys)):
                claims = self._claims(upload.area, keys)
                key = _best([key for key in keys if key not in passed_over], claims, md5)
                if key is None:
                    break
                place = self._lock(upload, key, md5)
                if place is None:
                    if key in claims and not claims[key].is_free:
                        return None  # another worker stores this picture there
                    continue  # another upload has just taken the key
                if not self._is_passed_over(upload, place):
                    return place
                self.quota_ledger.unlock(place.lock)
                passed_over.add(key)
        raise FileExists("Too many pictures have this name. Choose another one.", field="file")

    def _lock(self, upload: Upload, key: str, md5: str | None) -> Place | None:
        now = self.now()
        lock = self.quota_ledger.lock(upload.ref, key, str(uuid.uuid4()), now, now + LOCK_TIME, md5)
        if lock is None:
            return None
        if md5 is None:
            return Place(lock, Occupant.NOTHING, None)
        try:
            return self._place(upload, lock, md5)
        except BaseException:
            self.quota_ledger.unlock(lock)
            raise

    def _place(self, upload: Upload, lock: FileLock, md5: str) -> Place:
        stored = self.storage.stored(upload.area, lock.key)
        if stored is None or (stored.upload == upload.id and lock.md5 != md5):
            return Place(lock, Occupant.NOTHING, md5)
        if stored.md5 != md5:
            return Place(lock, Occupant.OTHER, md5, stored.md5)
        # Charged for another picture, or for none: an upload of this one has been interrupted.
        return Place(lock, Occupant.SAME if lock.md5 == md5 else Occupant.NOTHING, md5, md5)

    def _is_passed_over(self, upload: Upload, place: Place) -> bool:
        return upload.rule is NameRule.NUMBER and place.occupant is Occupant.OTHER

    def _is_anothers(self, upload: Upload, md5: str) -> bool:
        """Whether the target, which another worker has locked, is of no use to this upload, whatever that one does."""
        claim = self._claims(upload.area, [upload.target]).get(upload.target)
        if claim is None or claim.may_become(md5):
            return False
        # An earlier worker may have stored this upload there, and died: then it is not stored elsewhere, too.
        stored = self.storage.stored(upload.area, upload.target)
        return stored is None or stored.upload != upload.id

    def _indexed(self, area: ManagedArea, key: str, md5: str | None) -> FileRecord | None:
        """The record of a file if it is indexed, with this picture if one is named."""
        record = self.catalogue.get(area.collection, key)
        if record is None or record.state is not FileState.INDEXED or record.embedding is None:
            return None
        return record if md5 in (None, record.embedding.md5) else None

    def _claims(self, area: ManagedArea, keys: Sequence[str]) -> Mapping[str, FileClaim]:
        return self.quota_ledger.claims(area.account, area.collection, keys, self.now())

    def _other_keys(self, area: ManagedArea, key: str, md5: str) -> list[list[str]]:
        folder = area.prefixes[0]
        return [[folder + path for path in paths] for paths in other_paths(area.path(key), md5)]


def _best(keys: Sequence[str], claims: Mapping[str, FileClaim], md5: str) -> str | None:
    """The key of a group to store an upload under: the one of the same picture, else a free one, else None."""
    for key in keys:
        if key in claims and md5 in (claims[key].md5, claims[key].locked_md5):
            return key
    return next((key for key in keys if key not in claims or claims[key].is_free), None)
