"""Tiles name both thumbnails, so that a browser loads no more pixels than it shows."""

import html
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dashboard.filters import keep_end
from chalicelib.dashboard.static_files import assets
from chalicelib.dashboard.tiles import GRID_ROW, STRIP_ROW, Tile
from chalicelib.domain.thumbnails import ThumbnailSize
from tests.unit.dashboard.picture_world import PictureWorld, tags

TILE = Tile("u", "n", "/p", "/media/t.jpg", 640, 480, "s3://b/k", small="/media/t.jpg&size=256")
pixels = st.integers(1, 20_000)


@given(pixels, pixels)
def test_each_thumbnail_is_named_with_the_width_that_it_has(width: int, height: int) -> None:
    small, medium = (int(each) for each in re.findall(r" (\d+)w", replace(TILE, width=width, height=height).sources))
    longest = max(width, height)
    assert small == max(1, round(width * min(1, ThumbnailSize.SMALL / longest)))
    assert medium == max(1, round(width * min(1, ThumbnailSize.MEDIUM / longest)))


@given(st.text(min_size=1, max_size=60))
def test_a_name_is_said_whole_and_shown_with_its_end(name: str) -> None:
    def words(markup: str) -> str:
        return html.unescape(re.sub(r"<[^>]*>", "", markup))

    shown, spoken = [], []
    for attributes, text in re.findall(r"<span([^>]*)>(.*?)</span>", keep_end(name), re.DOTALL):
        (shown if "unseen" not in attributes else []).append(text)
        (spoken if "aria-hidden" not in attributes else []).append(text)
    assert (words("".join(shown)), list(map(words, spoken))) == (name, [name])
    silent = keep_end(name, spoken=False)
    assert words(silent) == name
    assert re.match(r'<bdi class="name"[^>]* aria-hidden="true">', silent)


def test_rows_are_as_high_as_the_style_sheet_makes_them() -> None:
    sheet = assets()["styles.css"].decode()
    assert f"--row: {GRID_ROW};" in sheet
    assert f"height: {STRIP_ROW}" in sheet
    assert ".past-chance { --zoom: .7;" in sheet


def test_a_picture_no_larger_than_the_small_thumbnail_has_one() -> None:
    assert replace(TILE, small="").sources == ""


def test_results_and_what_was_added_last_offer_both_and_the_first_ones_are_not_put_off() -> None:
    world = PictureWorld()
    world.put(*(f"{number}.jpg" for number in range(12)))
    for path in ("/", "/?query=an+owl&cutoff=off"):
        shown = [each for each in tags(world.get(path).body, "img") if each.get("srcset")]
        assert len(shown) >= 10
        first = shown[0]
        assert first["fetchpriority"] == "high"
        assert "loading" not in first
        assert shown[-1]["loading"] == "lazy"
        urls = [each.split(" ")[0] for each in str(first["srcset"]).split(", ")]
        assert urls == [f"{first['src']}&size=256", first["src"]]
        assert str(first["sizes"]).startswith("calc(")
