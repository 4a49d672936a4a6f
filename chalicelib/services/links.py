"""Signs links to pictures, and checks them."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.links import KEY_BYTES, Link, SigningKeys, expiry
from chalicelib.services.ports import Clock, SigningKeyStore

KEYS_MAX_AGE = timedelta(minutes=5)  # for which a function signs with the keys that it has read
KEYS_MIN_AGE = timedelta(seconds=5)  # before an unknown signature makes a function read the keys again


@dataclass(slots=True)
class _ReadKeys:
    keys: SigningKeys
    at: datetime


@dataclass(frozen=True, slots=True)
class LinkService:
    keys: SigningKeyStore
    now: Clock
    _read: list[_ReadKeys] = field(default_factory=list)

    def sign(self, path: str, account: str, md5: str) -> tuple[int, str]:
        """When the link of a picture expires, in seconds since 1970, and its signature."""
        link = Link(path, account, md5, expiry(path, self.now()))
        return link.expires, link.signature(self._keys(KEYS_MAX_AGE).current)

    def is_signed(self, link: Link, signature: str) -> bool:
        """Whether the signature is ours; one that another function has made with a newer key is, too."""
        now = self.now()
        return any(link.has_signature(signature, self._keys(age), now) for age in (KEYS_MAX_AGE, KEYS_MIN_AGE))

    def rotate(self, *, revoke: bool = False) -> SigningKeys:
        """Replace the signing key.

        Args:
            revoke: whether its links end, once functions have read the new key: after ``KEYS_MAX_AGE``. Else they work
                until they expire.
        """
        while True:
            now, keys = self.now(), self._keys(timedelta(0))
            new = secrets.token_bytes(KEY_BYTES)
            rotated = SigningKeys(new) if revoke else keys.rotated(new, now)
            try:
                self.keys.replace(keys, rotated)
            except StaleWrite:
                continue
            self._read[:] = [_ReadKeys(rotated, now)]
            return rotated

    def _keys(self, max_age: timedelta) -> SigningKeys:
        """The keys, read no longer ago than that; made, if there are none."""
        now = self.now()
        if not self._read or now - self._read[0].at >= max_age:
            self._read[:] = [_ReadKeys(self.keys.read_or_create(SigningKeys(secrets.token_bytes(KEY_BYTES))), now)]
        return self._read[0].keys
