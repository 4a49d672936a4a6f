"""Which files show one picture, and how lists of files are folded."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.duplicates import (
    MAX_DIFFERENT_BITS,
    MIN_SET_BITS,
    content,
    fold,
    look_alike,
    significant_bits,
    undecided,
)
from chalicelib.domain.vectors import FileSummary

BITS = 0xF0E1D2C3B4A59687


@dataclass(frozen=True)
class Listed:
    uuid: str
    file: FileSummary


def listed(uuid: str, md5: str = "", bits: int | None = None, size: int = 1) -> Listed:
    perceptual_hash = None if bits is None else f"{bits:016x}"
    file = FileSummary(
        collection="c", bucket="b", key=uuid, size=size, md5=md5 or uuid, perceptual_hash=perceptual_hash
    )
    return Listed(uuid, file)


def flipped(bits: int, count: int) -> int:
    return bits ^ ((1 << count) - 1)


def everything(one: str, other: str) -> bool:
    return True


def nothing(one: str, other: str) -> bool:
    return False


def folded(found: list[Listed], are_near=everything) -> list[list[str]]:
    return [[each.first.uuid, *(copy.uuid for copy in each.copies)] for each in fold(found, are_near)]


def test_hashes_look_alike_up_to_the_limit_of_different_bits() -> None:
    assert look_alike(BITS, flipped(BITS, MAX_DIFFERENT_BITS))
    assert not look_alike(BITS, flipped(BITS, MAX_DIFFERENT_BITS + 1))
    assert not look_alike(BITS, None)
    assert not look_alike(None, None)


def test_the_hash_of_a_plain_picture_says_nothing() -> None:
    assert significant_bits(f"{(1 << MIN_SET_BITS - 1) - 1:016x}") is None
    assert significant_bits(f"{(1 << MIN_SET_BITS) - 1:016x}") == (1 << MIN_SET_BITS) - 1
    assert significant_bits(None) is None


def test_files_of_the_same_bytes_are_one_whatever_their_hash_and_their_vectors() -> None:
    assert folded([listed("a", "m"), listed("b"), listed("c", "m")], nothing) == [["a", "c"], ["b"]]
    assert folded([listed("a", "m", size=1), listed("b", "m", size=2)]) == [["a"], ["b"]]


def test_files_that_look_alike_are_one_if_their_vectors_are_near() -> None:
    found = [listed("a", bits=BITS), listed("b", bits=flipped(BITS, 3))]
    assert undecided(found) == ["a", "b"]
    assert folded(found) == [["a", "b"]]
    assert folded(found, nothing) == [["a"], ["b"]]


def test_plain_pictures_are_not_folded() -> None:
    found = [listed("a", bits=0), listed("b", bits=0)]
    assert undecided(found) == []
    assert folded(found) == [["a"], ["b"]]


def test_a_copy_of_a_copy_does_not_lead_to_another_picture() -> None:
    between = flipped(BITS, MAX_DIFFERENT_BITS)
    other = flipped(BITS, 2 * MAX_DIFFERENT_BITS)
    assert folded([listed("a", bits=BITS), listed("b", bits=between), listed("c", bits=other)]) == [["a", "b"], ["c"]]
    assert folded([listed("b", bits=between), listed("a", bits=BITS), listed("c", bits=other)]) == [["b", "a", "c"]]


LISTS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from([None, 0, BITS, flipped(BITS, 9), flipped(BITS, 18)])),
    max_size=12,
).map(lambda files: [listed(str(place), md5, bits) for place, (md5, bits) in enumerate(files)])


@given(LISTS, st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11))), st.data())
def test_each_file_is_in_one_group_and_what_comes_behind_changes_nothing(
    found: list[Listed], far: set[tuple[int, int]], data: st.DataObject
) -> None:
    def are_near(one: str, other: str) -> bool:
        return (int(one), int(other)) not in far

    groups = folded(found, are_near)
    assert sorted(int(uuid) for group in groups for uuid in group) == list(range(len(found)))
    assert [group[0] for group in groups] == sorted((group[0] for group in groups), key=int)
    assert len({content(each.file) for each in found}) >= len(groups)
    cut = data.draw(st.integers(0, len(found)))
    beginning = [[uuid for uuid in group if int(uuid) < cut] for group in groups]
    assert folded(found[:cut], are_near) == [group for group in beginning if group]


@given(LISTS)
def test_every_comparison_of_vectors_is_of_files_that_were_undecided(found: list[Listed]) -> None:
    uuids = set(undecided(found))

    def are_near(one: str, other: str) -> bool:
        assert {one, other} <= uuids
        return False

    fold(found, are_near)
