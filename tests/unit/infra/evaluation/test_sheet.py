"""Sheets of queries, as people and spreadsheets write them."""

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.evaluation.sheet import read_sheet

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "queries.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_sheet_is_read_as_a_spreadsheet_of_any_country_writes_it(
    tmp_path: Path, encoding: str, delimiter: str, end: str
) -> None:
    lines = [("query", "expected"), ("ein Käuzchen, nachts", "owl.jpg|b c.jpg"), ("", ""), ("nichts", "")]
    text = end.join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    owl, nothing = read_sheet(written(tmp_path, text, encoding))
    assert owl.values("query") == ["ein Käuzchen, nachts"]
    assert owl.values("expected") == ["owl.jpg", "b c.jpg"]
    assert (owl.number, nothing.number) == (2, 4)
    assert nothing.values("expected") == []


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = tmp_path_factory.mktemp("sheet") / "queries.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["query", "metadata.tag", "expected"], ["an owl", "", ""], *rows])
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    assert [list(row.cells.values()) for row in read_sheet(path)[1:]] == filled


def test_a_text_may_have_a_bar_and_other_cells_separate_values_by_it(tmp_path: Path) -> None:
    (row,) = read_sheet(written(tmp_path, "query,without,expected\na | b,snow | water,\n"))
    assert row.values("query") == ["a | b"]
    assert row.values("without") == ["snow", "water"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no queries"),
        ("query,expected\n", "has no queries"),
        ("query,expected\n,\n", "has no queries"),
        ("query\nan owl\n", "Row 1: a column 'expected' is missing"),
        ("without,expected\nsnow,\n", "Row 1: a column 'query', 'like' or 'file' is missing"),
        ("query,expectd\nan owl,\n", "Row 1: There is no column 'expectd' here. Did you mean 'expected'?"),
        ("query,expected,expected\nan owl,a,b\n", "Row 1: the column 'expected' stands twice"),
        ("query,expected\nan owl,\nan owl, a pig,owl.jpg\n", "Row 3 has 3 cells, and the header 2."),
        ('query,expected\nan owl,\n"an owl,\n', "Row 3 is no CSV: unexpected end of data"),
    ],
)
def test_a_malformed_sheet_is_refused_with_the_number_of_its_row(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_sheet(written(tmp_path, text))


def test_a_sheet_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.csv cannot be read: No such file"):
        read_sheet(tmp_path / "missing.csv")
    with pytest.raises(ValueError, match="not encoded in UTF-8"):
        read_sheet(written(tmp_path, "query,expected\nein Käuzchen,\n", "latin-1"))
