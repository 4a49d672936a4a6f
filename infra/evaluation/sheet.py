"""Reads a sheet of queries with the files that they should find: CSV, with a header, as spreadsheets write it."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from chalicelib.api.requests.names import check_name
from chalicelib.domain.errors import UnknownParameter
from chalicelib.domain.filter_syntax import FIELDS, METADATA_PARAMETER

EXPECTED, PICTURE = "expected", "file"
TERM_COLUMNS = ("query", "without", "like", "unlike", PICTURE)
# Names of files may have semicolons and commas, but on Windows no bar; a file whose path has one is named by its uuid.
SEPARATOR = "|"
# A spreadsheet writes the separator of its country's lists: https://support.microsoft.com/office/c250e3f2
_DELIMITERS = ",;\t"
# A byte order mark, by which Excel tells UTF-8: it writes one and is none of the header's.
_ENCODING = "utf-8-sig"


@dataclass(frozen=True, slots=True)
class Row:
    """A query of a sheet, as it stands there; ``number`` is what a spreadsheet shows beside it: the header is 1."""

    number: int
    cells: dict[str, str]

    def values(self, column: str) -> list[str]:
        """The values of a cell; those of all columns but ``query`` are separated by bars."""
        text = self.cells.get(column, "")
        parts = [text] if column == "query" else text.split(SEPARATOR)
        return [part.strip() for part in parts if part.strip()]


def read_sheet(path: Path) -> list[Row]:
    """The queries of a sheet; rows without any value are left out.

    Raises:
        ValueError: the file cannot be read, has no query, or has a column or row that is malformed.
    """
    try:
        text = path.read_text(_ENCODING)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not encoded in UTF-8: save it as 'CSV UTF-8'.") from error
    rows = list(_rows(text))
    if not rows:
        raise ValueError(f"{path} has no queries: write one into each row below the header.")
    return rows


def _rows(text: str) -> Iterator[Row]:
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number, columns = 0, list[str]()
    try:
        for number, cells in enumerate(reader, start=1):
            if number == 1:
                columns = [name.strip() for name in cells]
                _check_columns(columns)
            elif any(cell.strip() for cell in cells):
                if len(cells) > len(columns):
                    raise ValueError(
                        f"Row {number} has {len(cells)} cells, and the header {len(columns)}. Put a text with "
                        f"'{delimiter}' between quotation marks."
                    )
                yield Row(number, dict(zip(columns, cells, strict=False)))
    except csv.Error as error:
        raise ValueError(f"Row {number + 1} is no CSV: {error}.") from error


def _check_columns(columns: list[str]) -> None:
    """Raises ValueError unless the columns are known, each stands once, and there are queries with what is expected."""
    known = (*TERM_COLUMNS, EXPECTED, *FIELDS, METADATA_PARAMETER)
    for name in columns:
        try:
            check_name(name, known, "column")
        except UnknownParameter as error:
            raise ValueError(f"Row 1: {error.message}") from None
        if columns.count(name) > 1:
            raise ValueError(f"Row 1: the column '{name}' stands twice. Separate several values by '{SEPARATOR}'.")
    if EXPECTED not in columns:
        raise ValueError(f"Row 1: a column '{EXPECTED}' is missing, with the files that a query should find.")
    if not {"query", "like", PICTURE} & set(columns):
        raise ValueError(f"Row 1: a column 'query', 'like' or '{PICTURE}' is missing, with what to search for.")
