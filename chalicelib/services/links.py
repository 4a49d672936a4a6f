"""Signs links to pictures, and checks them."""

import secrets
from datetime import datetime, timedelta

from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.links import KEY_BYTES, Link, SigningKeys, expiry
from chalicelib.services.ports import Clock, SigningKeyStore

KEYS_MAX_AGE = timedelta(minutes=5)  # for which a function signs with the keys that it has read
KEYS_MIN_AGE = timedelta(seconds=5)  # before an unknown signature makes a function read the keys again


class LinkService:
    """Signs with keys that it reads once in a while."""

    def __init__(self, store: SigningKeyStore, now: Clock) -> None:
        self._store = store
        self._now = now
        self._read: tuple[SigningKeys, datetime] | None = None  # and when

    def sign(self, path: str, account: str, md5: str) -> tuple[int, str]:
        """When the link of a picture expires, in seconds since 1970, and its signature."""
        link = Link(path, account, md5, expiry(path, self._now()))
        return link.expires, link.signature(self._keys(KEYS_MAX_AGE).current)

    def is_signed(self, link: Link, signature: str) -> bool:
        """Whether the signature is ours; one that another function has made with a newer key is, too."""
        now = self._now()
        return any(link.has_signature(signature, self._keys(age), now) for age in (KEYS_MAX_AGE, KEYS_MIN_AGE))

    def rotate(self, *, revoke: bool = False) -> SigningKeys:
        """Replace the signing key.

        Args:
            revoke: whether its links end, once functions have read the new key: after ``KEYS_MAX_AGE``. Else they work
                until they expire.
        """
        while True:
            now, keys = self._now(), self._keys(timedelta(0))
            new = secrets.token_bytes(KEY_BYTES)
            rotated = SigningKeys(new) if revoke else keys.rotated(new, now)
            try:
                self._store.replace(keys, rotated)
            except StaleWrite:
                continue
            self._read = (rotated, now)
            return rotated

    def _keys(self, max_age: timedelta) -> SigningKeys:
        """The keys, read no longer ago than that; made, if there are none."""
        now = self._now()
        if self._read is None or now - self._read[1] >= max_age:
            self._read = (self._store.read_or_create(SigningKeys(secrets.token_bytes(KEY_BYTES))), now)
        return self._read[0]
