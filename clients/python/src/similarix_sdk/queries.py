"""What a search asks: terms with weights, filters, and options."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypedDict

from similarix_sdk.requests import Parameters, filter_parameters, parameters, present


@dataclass(frozen=True)
class Text:
    """A text as a term of a query. A weight below 0 is for what is not wanted."""

    text: str
    weight: float = 1

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "weight": self.weight}


@dataclass(frozen=True)
class File:
    """An indexed file as a term, by its uuid."""

    file: str
    weight: float = 1

    def to_json(self) -> dict[str, Any]:
        return {"file": self.file, "weight": self.weight}


@dataclass(frozen=True)
class PreparedPicture:
    """A picture that was uploaded to search by, as a term, by the upload's id."""

    upload: str
    weight: float = 1

    def to_json(self) -> dict[str, Any]:
        return {"upload": self.upload, "weight": self.weight}


Term = Text | File | PreparedPicture


class Numbers(TypedDict, total=False):
    """Bounds of a number."""

    gte: float
    gt: float
    lte: float
    lt: float


class Times(TypedDict, total=False):
    """Bounds of a time: ISO 8601, or a date, which is the whole day in UTC."""

    gte: str | date | datetime
    gt: str | date | datetime
    lte: str | date | datetime
    lt: str | date | datetime
    exists: bool


class Filter(TypedDict, total=False):
    """A file must meet every field, and any value of a list. ``docs/filters.md`` says what each takes."""

    path: str | Sequence[str]
    format: str | Sequence[str]
    orientation: str | Sequence[str]
    size: int | Numbers
    width: int | Numbers
    height: int | Numbers
    modified: str | Times
    taken: str | Times
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class SearchOptions:
    """What narrows and shapes every search."""

    limit: int | None = None
    collections: Sequence[str] = ()
    max_distance: float | None = None
    cutoff: str | None = None
    match: str | None = None
    include: Sequence[str] = ()
    filter: Filter | None = None
    fold_duplicates: bool = False

    def parameters(self, cursor: str | None) -> Parameters:
        """For a query string or a form."""
        return [
            *parameters(
                limit=self.limit,
                collection=self.collections,
                max_distance=self.max_distance,
                cutoff=self.cutoff,
                match=self.match,
                include=self.include,
                fold_duplicates=self.fold_duplicates or None,
                cursor=cursor,
            ),
            *filter_parameters(self.filter),
        ]

    def to_json(self, cursor: str | None) -> dict[str, Any]:
        return present(
            limit=self.limit,
            collection=self.collections,
            max_distance=self.max_distance,
            cutoff=self.cutoff,
            match=self.match,
            include=self.include,
            filter=self.filter,
            fold_duplicates=self.fold_duplicates or None,
            cursor=cursor,
        )
