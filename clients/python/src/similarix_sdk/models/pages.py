"""One page of a list or of a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Page(Sequence[T], Generic[T]):
    """The items of a page, as a sequence.

    Attributes:
        next_cursor: leads to the next page; None where there is none.
        info: what the response says beside its items, such as ``search_type`` and ``calibrated``.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...

    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)
