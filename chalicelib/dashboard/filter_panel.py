"""What the filters of the search page show: their choices, what is chosen, and how each is dropped."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chalicelib.dashboard.figures import number, size
from chalicelib.dashboard.search_address import DATES, SearchAddress, is_date
from chalicelib.dashboard.texts import text
from chalicelib.domain.collections import Collection
from chalicelib.domain.file_facts import Orientation
from chalicelib.domain.file_queries import FoundFile
from chalicelib.domain.vectors import Hit

FORMATS = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "gif": "GIF", "tiff": "TIFF", "heif": "HEIF", "avif": "AVIF"}
WIDTHS = ("800", "1600", "3200")  # pixels at least
SIZES = ("100000", "1000000", "5000000")  # bytes at least
FOLDERS_SHOWN = 12
DIGITS_SHOWN = 15  # of a number in an address; a longer one is shown as it is
# What the panel has fields for; other parameters of a filter are kept as they are.
_SHOWN = (
    "path",
    "format",
    "width.gte",
    "size.gte",
    "orientation",
    *(f"{d}.{b}" for d in DATES for b in ("gte", "lte")),
)


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    chosen: bool
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Narrowing:
    """One filter that narrows the search.

    Args:
        name: of the texts about it, such as ``format``.
        label: the chosen value as people say it.
        without: the search without it.
    """

    name: str
    label: str
    without: SearchAddress


@dataclass(frozen=True, slots=True)
class FilterPanel:
    """Args:
    date: the one that the panel shows, ``taken`` or ``modified``, with its first and last day.
    metadata: name and value of each, and the search without it.
    kept: names and values of parameters that the panel has no field for.
    """

    collections: Sequence[Choice]
    formats: Sequence[Choice]
    orientations: Sequence[Choice]
    widths: Sequence[Choice]
    sizes: Sequence[Choice]
    path: str
    folders: Sequence[str]
    date: str
    start: str
    end: str
    metadata: Sequence[tuple[str, str, SearchAddress]]
    kept: Sequence[tuple[str, str]]
    narrowing: Sequence[Narrowing]

    def label(self, name: str) -> str:
        """What the filter narrows by, empty if it does not."""
        return next((each.label for each in self.narrowing if each.name == name), "")


def filter_panel(
    address: SearchAddress, collections: Sequence[Collection], found: Iterable[Hit | FoundFile]
) -> FilterPanel:
    """The panel of a search; the folders that it offers are those of the pictures that were ``found``."""
    chosen = address.filters
    paths = chosen.get("path", ())
    date = next((d for d in DATES if any(f"{d}.{b}" in chosen for b in ("gte", "lte"))), DATES[0])
    start, end = (_day(chosen.get(f"{date}.{bound}", ())) for bound in ("gte", "lte"))
    metadata = [
        (name.partition(".")[2], value, _without_value(address, name, value))
        for name, values in chosen.items()
        if name.startswith("metadata.")
        for value in values
        if _is_plain(name)
    ]
    return FilterPanel(
        collections=[Choice(c.uuid, c.name, c.uuid in address.collections, c.total_files) for c in collections],
        formats=[Choice(value, label, value in chosen.get("format", ())) for value, label in FORMATS.items()],
        orientations=[_orientation(each, chosen.get("orientation", ())) for each in ("", *Orientation)],
        widths=_at_least("width", WIDTHS, chosen.get("width.gte", ())),
        sizes=_at_least("size", SIZES, chosen.get("size.gte", ())),
        path=paths[0] if paths else "",
        folders=_folders(found),
        date=date,
        start=start,
        end=end,
        metadata=metadata,
        kept=_kept(address, paths),
        narrowing=_narrowing(address, collections, start, end),
    )


def _kept(address: SearchAddress, paths: Sequence[str]) -> list[tuple[str, str]]:
    kept = [("path", path) for path in paths[1:]]
    for name, values in address.filters.items():
        shown = FORMATS if name == "format" else () if name in _SHOWN else None
        if shown is None:
            kept += [(name, value) for value in values]
        elif name == "format":
            kept += [(name, value) for value in values if value not in shown]
    return kept


def _is_plain(name: str) -> bool:
    return name.count(".") == 1


def _day(values: Sequence[str]) -> str:
    return values[0] if values and is_date(values[0]) else ""


def _orientation(value: str, chosen: Sequence[str]) -> Choice:
    return Choice(value, text(f"search.orientation_{value or 'any'}"), (value in chosen) if value else not chosen)


def _at_least(name: str, values: Sequence[str], chosen: Sequence[str]) -> list[Choice]:
    others = [value for value in chosen[:1] if value not in values]
    labels = {value: _measure(name, value) for value in (*values, *others)}
    return [
        Choice("", text(f"search.{name}_any"), not chosen),
        *(Choice(value, label, value in chosen) for value, label in labels.items()),
    ]


def _measure(name: str, value: str) -> str:
    """A size of files, or a length in pixels, in words; as it is if it is no number, as an address may have it."""
    if not (value.isascii() and value.isdecimal()) or len(value) > DIGITS_SHOWN:
        return value
    shown = size(int(value)) if name == "size" else text("search.pixels", count=number(int(value)))
    return text(f"search.{name}_{value}") or shown


def _folders(found: Iterable[Hit | FoundFile]) -> list[str]:
    folders = ((each.file.path or "").rpartition("/")[0] for each in found)
    return [f"{folder}/*" for folder in dict.fromkeys(filter(None, folders))][:FOLDERS_SHOWN]


def _without_value(address: SearchAddress, name: str, value: str) -> SearchAddress:
    rest = tuple(each for each in address.filters[name] if each != value)
    dropped = address.without_filter(name)
    return dropped.with_filter(name, rest) if rest else dropped


def _narrowing(address: SearchAddress, collections: Sequence[Collection], start: str, end: str) -> list[Narrowing]:
    names = {collection.uuid: collection.name for collection in collections}
    found = []
    if address.collections:
        label = _one_or_count([names.get(uuid, uuid) for uuid in address.collections])
        found.append(Narrowing("collection", label, address.without_collections()))
    groups: dict[str, list[str]] = {}
    for parameter in address.filters:
        field = parameter.partition(".")[0]
        group = "date" if field in DATES else "size" if field in ("size", "width", "height") else field
        groups.setdefault(group, []).append(parameter)
    for group, parameters in groups.items():
        values = [value for parameter in parameters for value in address.filters[parameter]]
        if group == "format":
            values = [FORMATS.get(value, value) for value in values]
        elif group == "date" and (start or end):
            values = [f"{start or '…'} – {end or '…'}"]
        elif group == "size":
            values = [
                _measure(parameter.partition(".")[0], value)
                for parameter in parameters
                for value in address.filters[parameter]
            ]
        elif group == "orientation":
            values = [text(f"search.orientation_{value}") or value for value in values]
        found.append(Narrowing(group, _one_or_count(values), address.without_filter(*parameters)))
    return found


def _one_or_count(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else text("search.chosen", count=len(labels))
