"""The default of a field that stays as it is, where None has a meaning of its own."""

from typing import Final


class Unchanged:
    """Its one value is ``UNCHANGED``."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()
