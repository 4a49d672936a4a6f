"""Secrets sealed in memory, so that no sealed one has the secret in it."""

from chalicelib.domain.errors import SourceDenied, SourceUnavailable, Unavailable


class FakeSecrets:
    """A test may set ``down``, which makes every call fail, and ``opened``, which counts what was opened, to zero."""

    def __init__(self) -> None:
        self.down = False
        self.opened = 0
        self._sealed: dict[bytes, tuple[str, str, str]] = {}

    def seal(self, account: str, collection: str, secret: str) -> bytes:
        if self.down:
            raise Unavailable("The test has set the secrets down.")
        sealed = f"sealed {len(self._sealed)}".encode()
        self._sealed[sealed] = (account, collection, secret)
        return sealed

    def open(self, account: str, collection: str, sealed: bytes) -> str:
        if self.down:
            raise SourceUnavailable("The test has set the secrets down.")
        *owner, secret = self._sealed.get(sealed, ("", "", ""))
        if owner != [account, collection]:
            raise SourceDenied("It was sealed for something else.")
        self.opened += 1
        return secret
