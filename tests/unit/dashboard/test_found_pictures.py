"""The pictures of a search's address: each page goes on where the one before ended, and tells where chance begins."""

from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.dashboard.found_pictures import (
    BEGINNING,
    FoundPage,
    PagePosition,
    PictureSearch,
    read_cursor,
)
from chalicelib.dashboard.search_address import SearchAddress, read_address
from chalicelib.domain.accounts import Caller
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.plans import PLANS
from chalicelib.domain.search_uploads import NewSearchUpload
from tests.factories import a_calibration
from tests.unit.services.harness import Harness

NOBODYS = "0b0e9a4e-6a67-4f7a-9d3d-1f2a3b4c5d6e"
uuids = st.uuids().map(str)
distances = st.integers(0, 2_000_000).map(lambda millionths: millionths / 1_000_000)
times = st.integers(-(10**14), 10**14).map(float)
positions = st.builds(
    PagePosition,
    after=st.tuples(st.one_of(st.none(), distances, times), uuids),
    rank=st.integers(1, 10**6),
    shown=st.integers(1, 10**6),
    past=st.booleans(),
    scales=st.lists(st.integers(1, 10**9).map(lambda millionths: millionths / 1_000_000), max_size=16).map(tuple),
)


@given(positions)
def test_a_cursor_is_read_as_it_was_written(position: PagePosition) -> None:
    assert read_cursor(position.cursor) == position


@given(st.text(max_size=80))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    if not text:
        assert read_cursor(text) == BEGINNING
        return
    with pytest.raises(InvalidRequest, match="Search again"):
        read_cursor(text)


@pytest.fixture
def crowd() -> Harness:
    """A collection of 40 pictures of random directions, under statistics by which hardly any is found by chance."""
    world = Harness()
    world.put(*(f"{number}.jpg" for number in range(40)))
    world.sync()
    eighth = 1 / 8
    world.embedder.calibration = replace(
        a_calibration(), mean=(0.0,) * 8, axes=((eighth**0.5, *(0.0,) * 7),), residual=eighth
    )
    chance = replace(a_calibration().text, spread=1.0)
    world.embedder.calibration = replace(world.embedder.calibration, text=chance, picture=chance)
    return world


def searching(world: Harness) -> PictureSearch:
    account = world.collection.account
    return PictureSearch(world.app, Caller(account, PLANS["business"]), world.app.collections.all(account))


def pages(world: Harness, address: SearchAddress, limit: int) -> list[FoundPage]:
    found = [searching(world).find(address, limit=limit)]
    while found[-1].next is not None:
        found.append(searching(world).find(address, read_cursor(found[-1].next.cursor), limit))
    return found


@pytest.mark.parametrize("query", ["query=an+owl&cutoff=off", "query=an+owl&without=a+pig&weight1=2&cutoff=off", ""])
def test_pages_have_every_picture_once_and_in_order(crowd: Harness, query: str) -> None:
    address = read_address(parse_qs(query))
    found = [file for page in pages(crowd, address, 7) for file in page.files]
    assert len({file.uuid for file in found}) == len(found) == 40
    assert [file.uuid for file in searching(crowd).find(address).files] == [file.uuid for file in found]
    assert [page.shown for page in pages(crowd, address, 7)] == [7, 14, 21, 28, 35, 40]


def test_where_chance_begins_is_the_same_with_the_cut_and_without_it(crowd: Harness) -> None:
    like = _uploaded(crowd, b"picture of 7.jpg")
    cut = searching(crowd).find(SearchAddress(like.terms))
    assert [file.file.key for file in cut.files] == ["7.jpg"]
    assert (cut.kept, cut.next, cut.searched) == (1, None, 40)
    everything = searching(crowd).find(replace(like, cutoff=False))
    assert (len(everything.files), everything.kept) == (40, 1)
    assert cut.past is not None
    behind = searching(crowd).find(like, read_cursor(cut.past.cursor))
    assert [file.uuid for file in behind.files] == [file.uuid for file in everything.files[1:]]
    assert (behind.kept, behind.past) == (0, None)


def test_nothing_is_left_out_where_every_picture_is_shown(crowd: Harness) -> None:
    only = read_address({"query": ["an owl"], "path": ["7.jpg"], "cutoff": ["off"]})
    assert searching(crowd).find(only).past is None
    assert searching(crowd).find(replace(only, filters={"path": ("nowhere",)}, cutoff=True)).past is None


def test_a_list_without_a_term_has_what_the_filters_admit(crowd: Harness) -> None:
    found = searching(crowd).find(read_address({"path": ["1*.jpg"]}))
    assert {file.file.key for file in found.files} == {"1.jpg", *(f"{number}.jpg" for number in range(10, 20))}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (f"like={NOBODYS}", "Take it out"),
        ("like=nonsense", "Take it out"),
        (f"upload={NOBODYS}", "for an hour"),
        ("upload=nonsense", "for an hour"),
        (f"query=a&collection={NOBODYS}", "no such collection"),
    ],
)
def test_what_a_search_names_and_is_not_there_is_said(crowd: Harness, query: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        searching(crowd).find(read_address(parse_qs(query)))


def _uploaded(world: Harness, picture: bytes) -> SearchAddress:
    caller = Caller(world.collection.account, PLANS["business"])
    upload, _ = world.app.search_uploads.prepare(caller, NewSearchUpload(len(picture), "image/jpeg"))
    world.ports.storage.put(upload.area, upload.key, picture, "image/jpeg")
    return read_address({"upload": [upload.id]})
