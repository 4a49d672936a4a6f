"""What commands print: for people on a terminal, one line for each thing in a pipe, or JSON."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from similarix_sdk.models import Model


@dataclass(frozen=True)
class Output:
    """Results go to ``out``, everything else to ``err``. ``pretty`` is whether a person reads ``out``."""

    out: TextIO
    err: TextIO
    pretty: bool
    width: int | None = None

    @classmethod
    def standard(cls) -> "Output":
        return cls(sys.stdout, sys.stderr, sys.stdout.isatty())

    @property
    def console(self) -> Console:
        return Console(file=self.out, width=self.width, highlight=False)

    def rows(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table on a terminal; in a pipe a line for each row, its cells separated by tabs, without the header.

        Where the terminal is too narrow for the table, each row is a list of its cells, so that no uuid is broken.
        """
        if not self.pretty:
            for row in rows:
                self.line(*row)
            return
        cells = [[printable(cell) for cell in row] for row in rows]
        if not _fits([header, *cells], self.console.width):
            self._lists(header, cells)
            return
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in header:
            table.add_column(name, overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        self.console.print(table)

    def _lists(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        wide = max(map(len, header))
        for number, row in enumerate(rows):
            if number:
                self.line()
            for name, cell in zip(header, row, strict=True):
                self.line(f"{name:<{wide}}  {cell}".rstrip())

    def line(self, *cells: object) -> None:
        print("\t".join(printable(cell) for cell in cells), file=self.out, flush=True)

    def say(self, sentence: str) -> None:
        """A sentence for a person: in a pipe it is not among the results."""
        print(printable(sentence), file=self.out if self.pretty else self.err, flush=True)

    def complain(self, sentence: str) -> None:
        print(printable(sentence), file=self.err, flush=True)

    def json(self, value: Any) -> None:
        """A model, or a list of them, as the API sends it."""
        text = json.dumps(_plain(value), ensure_ascii=False, indent=2 if self.pretty else None)
        # A file's name that is not UTF-8 has surrogates, which JSON can write as escapes alone.
        print(text.encode("utf-8", "backslashreplace").decode(), file=self.out)


def printable(value: object) -> str:
    """A text of one line that moves no cursor and changes no direction: names of files are chosen by strangers."""
    text = "" if value is None else str(value)
    return "".join(char if unicodedata.category(char)[0] not in "CZ" or char == " " else _escape(char) for char in text)


def size(count: int) -> str:
    """Bytes as people read them, in powers of 1,000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _fits(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether a table without lines fits, two spaces between its columns."""
    wide = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return sum(wide) + 2 * (len(wide) - 1) <= width


def _escape(char: str) -> str:
    if unicodedata.category(char) == "Zs":
        return char
    return char.encode("unicode_escape").decode("ascii")


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
