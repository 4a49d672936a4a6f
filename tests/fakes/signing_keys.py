"""The keys that sign links, in memory."""

from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.links import SigningKeys


class FakeSigningKeys:
    """Tests may count its ``reads``."""

    def __init__(self) -> None:
        self._keys: SigningKeys | None = None
        self.reads = 0

    def read_or_create(self, new: SigningKeys) -> SigningKeys:
        self.reads += 1
        self._keys = self._keys or new
        return self._keys

    def replace(self, current: SigningKeys, new: SigningKeys) -> None:
        if self._keys is None or self._keys.current != current.current:
            raise StaleWrite
        self._keys = new
