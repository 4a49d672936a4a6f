"""Links to thumbnails and originals that work without a token, for pages, mails and caches.

A link's signature is the HMAC-SHA256 (RFC 2104) of its path, its account, the picture's MD5 and the time at which it
expires. So it serves this one picture, and a picture that replaces it has another link.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zlib import crc32

LINK_PERIOD = timedelta(days=1)  # for which a picture keeps its link, so that caches can keep the picture
LINK_LIFETIME = 2 * LINK_PERIOD  # that no link exceeds; each works for at least one period
KEY_BYTES = 32
SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The key that signs new links, and the one before it.

    ``previous`` is accepted until ``previous_until``, so that the links that it has signed go on working.
    """

    current: bytes
    previous: bytes | None = None
    previous_until: datetime | None = None

    def accepted(self, now: datetime) -> tuple[bytes, ...]:
        if self.previous is None or self.previous_until is None or self.previous_until <= now:
            return (self.current,)
        return (self.current, self.previous)

    def rotated(self, new: bytes, now: datetime) -> "SigningKeys":
        """The keys after a rotation: all links that work now go on working."""
        return SigningKeys(new, self.current, now + LINK_LIFETIME)


class Link(NamedTuple):
    """A link of a picture: the path that it opens, without the API's base URL, and when it expires."""

    path: str
    account: str
    md5: str
    expires: int  # seconds since 1970

    def signature(self, key: bytes) -> str:
        text = "\n".join((self.path, self.account, self.md5, str(self.expires)))
        digest = hmac.digest(key, text.encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:SIGNATURE_BYTES]).rstrip(b"=").decode()

    def has_signature(self, signature: str, keys: SigningKeys, now: datetime) -> bool:
        """Whether one of the accepted keys has signed the link."""
        given = signature.encode()
        return any(hmac.compare_digest(given, self.signature(key).encode()) for key in keys.accepted(now))


def expiry(path: str, now: datetime) -> int:
    """When a link that is made now expires, in seconds since 1970: the same throughout a period of the path.

    Each path's periods begin at another time: if all links changed at once, all caches would load all pictures at once.
    """
    period = int(LINK_PERIOD.total_seconds())
    offset = crc32(path.encode()) % period
    return (int(now.timestamp()) + offset) // period * period - offset + 2 * period
