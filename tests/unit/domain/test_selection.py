"""Which objects are indexed: patterns as in a .gitignore file, and what extension and size say beforehand."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.image_files import ALL_EXTENSIONS, PICTURE_LIMIT
from chalicelib.domain.selection import (
    DEFAULT_EXCLUDE,
    MAX_PATTERNS,
    NON_PICTURE_EXTENSIONS,
    PATTERN_LIMIT,
    Omission,
    OmissionReason,
    Selection,
    parse_patterns,
)

SIZE = 1_000  # bytes of an ordinary picture
PATTERNS = st.text(st.sampled_from("ab/*?!.-\\ "), min_size=1, max_size=12)  # brackets are git's, not pathspec's
PATHS = st.text(st.sampled_from("ab/.-"), min_size=1, max_size=12).filter(lambda path: not path.startswith("/"))


def omitted(path: str, size: int = SIZE, *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> bool:
    return Selection(include, exclude).omission(path, size) is not None


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.jpg", "2024/owl.jpg", True),
        ("*.jpg", "2024/owl.JPG", True),
        ("*.JPG", "2024/owl.jpg", True),
        ("drafts/", "a/drafts/owl.jpg", True),
        ("/drafts/", "a/drafts/owl.jpg", False),
        ("drafts/", "drafts", False),
        ("a/*/c.jpg", "a/b/c.jpg", True),
        ("a/*/c.jpg", "a/b/b/c.jpg", False),
        ("a/**/c.jpg", "a/b/b/c.jpg", True),
        ("été/", "e\u0301te\u0301/owl.jpg", True),
        ("a?b.jpg", "a\nb.jpg", True),
        ("*.jpg", "owl.jpg\n", False),
        ("\\#recycle/", "#recycle/owl.jpg", True),
        ("*.jpg", "/owl.jpg", True),
        ("drafts/", "//drafts/owl.jpg", True),
        ("/drafts/", "/drafts/owl.jpg", True),
        ("/drafts/", "./drafts/owl.jpg", False),
    ],
)
def test_a_pattern_is_that_of_a_gitignore_file_in_either_case(pattern: str, path: str, matches: bool) -> None:
    assert omitted(path, exclude=(pattern,)) is matches
    assert omitted(path, include=(pattern,)) is not matches


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("[ab]x", ["ax", "bx", "AX", "c/ax"], ["cx", "x", "a/x"]),
        ("[!ab]x", ["cx", "-x"], ["ax", "bx", "x", "c/x"]),
        ("[^ab]x", ["cx", "^x"], ["ax", "bx"]),
        ("a[!x]b", ["a-b", "aab"], ["a/b", "axb", "ab"]),
        ("a[.-0]b", ["a.b", "a0b"], ["a/b", "a-b"]),
        ("[]a]", ["]", "a"], ["[", "b"]),
        ("[!]a]", ["b", "!"], ["]", "a"]),
        ("[]-a]", ["]", "^", "_", "a"], ["b", "-"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[--0]", ["-", ".", "0"], ["1", "a"]),
        ("[\\]]", ["]"], ["\\", "a"]),
        ("[a\\-c]", ["a", "-", "c"], ["b"]),
        ("[\\\\]", ["\\"], ["a"]),
        ("[[]x", ["[x"], ["x", "]x"]),
        ("[[a]x", ["[x", "ax"], ["bx"]),
        ("[^^]", ["a"], ["^"]),
        ("\\[a]", ["[a]"], ["a"]),
        ("[[:digit:]]*.jpg", ["1.jpg", "a/2024.jpg"], ["d.jpg", ":.jpg", "a1.jpg"]),
        ("IMG_[[:digit:]][[:digit:]].jpg", ["IMG_01.jpg", "img_99.JPG"], ["IMG_1.jpg", "IMG_d:.jpg"]),
        ("[![:digit:]]x", ["ax", ":x"], ["1x", "a/x"]),
        ("[[:alpha:]_]x", ["Ax", "_x"], ["1x", ":x"]),
        ("[[:upper:]]x", ["Ax", "ax"], ["1x"]),
        ("x[[:space:]]y", ["x y", "x\ty"], ["xy", "xsy"]),
        ("x[[:punct:]]y", ["x!y", "x~y", "x]y", "x-y", "x^y"], ["x/y", "xay", "x y"]),
        ("[[:xdigit:]]z", ["fz", "Az", "9z"], ["gz", "xz"]),
        ("[[:digit:]a]z", ["5z", "az"], ["bz"]),
        ("*[!a]", ["b", "ab", "a/b"], ["a", "ba"]),
        ("[é]x", ["éx", "e\u0301x", "Éx"], ["ex"]),
    ],
)
def test_a_bracket_stands_for_one_character_as_in_git_and_never_for_a_slash(
    pattern: str, matching: list[str], others: list[str]
) -> None:
    """The answers are those of ``git check-ignore``, but for é, which git takes for two characters."""
    parse_patterns([pattern], "exclude", ())
    assert [path for path in matching + others if omitted(path, exclude=(pattern,))] == matching


@pytest.mark.parametrize("pattern", ["[", "[]", "a[", "[!]", "[a", "[[:digit:]", "[[:letter:]]", "[[::]]", "a[\\]"])
def test_a_bracket_that_is_never_closed_or_names_no_class_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_patterns([pattern], "exclude", ())
    assert refused.value.field == "exclude"


def test_a_later_pattern_can_take_back_what_an_earlier_one_excludes() -> None:
    assert not omitted("drafts/keep.jpg", exclude=("drafts/*", "!drafts/keep.jpg"))
    assert omitted("drafts/other.jpg", exclude=("drafts/*", "!drafts/keep.jpg"))


def test_what_is_included_can_be_excluded_again() -> None:
    assert omitted("2024/raw/owl.jpg", include=("2024/",), exclude=("raw/",))
    assert not omitted("2024/owl.jpg", include=("2024/",), exclude=("raw/",))
    assert Selection(("2024/",), ()).omission("2023/owl.jpg") == Omission(OmissionReason.NOT_INCLUDED)
    assert Selection((), ("*.png", "raw/")).omission("raw/owl.jpg") == Omission(OmissionReason.EXCLUDED, "raw/")


def test_a_folder_named_by_a_dot_is_a_folder() -> None:
    assert omitted("./a/b", exclude=("b", "!/a/b"))
    assert not omitted("a/b", exclude=("b", "!/a/b"))


@given(st.lists(PATTERNS, min_size=1, max_size=3), PATHS)
@example(["/a"], "./a/b./-/-..")
@example(["b", "!/a/b"], "./a/b")
def test_the_patterns_match_what_those_of_pathspec_match(patterns: list[str], path: str) -> None:
    try:
        expected = GitIgnoreSpec.from_lines(patterns, backend="simple").match_file(f"/{path}")
    except (ValueError, re.error):
        return  # no patterns, as ``parse_patterns`` says
    assert omitted(path, exclude=tuple(patterns)) is expected


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 90 + "b", "a" * 1024),
        ("**/" + "*a" * 30 + "/**/" + "*a" * 30 + "b", ("a" * 31 + "/") * 32),
        ("**/a/**/b", "a/" * 512),
        ("*/" * 90 + "b", "a/" * 512),
        ("*(" * 90 + "b", "(" * 1024),
        ("*[(]" * 45 + "b", "(" * 1024),
        ("*[ab]" * 35 + "c", "a" * 1024),
        ("*[!b]" * 35 + "/c", "a" * 1024),
    ],
)
def test_no_pattern_takes_long_whatever_the_key(pattern: str, path: str) -> None:
    """Backtracking over the first of them would take longer than the test may."""
    parse_patterns([pattern], "exclude", ())
    assert omitted(path, exclude=(pattern,)) is False


@pytest.mark.parametrize(
    "path",
    [
        *("@eaDir/owl.jpg/SYNOPHOTO_THUMB_XL.jpg", "a/__MACOSX/._owl.jpg", ".git/owl.png", "a/node_modules/b/logo.png"),
        *("#recycle/owl.jpg", "Thumbs.db", "a/.DS_Store", ".Trash-1000/files/owl.jpg", "$RECYCLE.BIN/S-1/owl.jpg"),
        *(".thumbnails/normal/owl.png", "me.photoslibrary/resources/derivatives/1.jpeg", "a.lrdata/1.jpg"),
        *("a/me.photoslibrary/resources/derivatives/1.jpeg", "lost+found/1.jpg", "._owl.jpg"),
    ],
)
def test_the_folders_of_other_software_are_excluded_by_default(path: str) -> None:
    assert omitted(path, exclude=DEFAULT_EXCLUDE)
    assert not omitted("originals/trash/eaDir/thumbnails/owl.jpg", exclude=DEFAULT_EXCLUDE)


def test_the_default_patterns_are_patterns_that_a_caller_may_give() -> None:
    assert parse_patterns(list(DEFAULT_EXCLUDE), "exclude", ()) == DEFAULT_EXCLUDE
    assert parse_patterns(None, "exclude", DEFAULT_EXCLUDE) == DEFAULT_EXCLUDE
    assert parse_patterns([], "exclude", DEFAULT_EXCLUDE) == ()


@pytest.mark.parametrize(
    "value",
    [
        "*.jpg",
        [1],
        {"*.jpg": True},
        [""],
        ["  "],
        ["/"],
        ["# a comment"],
        ["[z-a].jpg"],
        ["[?-.]"],
        ["*.jpg", "a[?-.]b"],
        ["a\nb"],
        ["a\tb"],
        ["a" * (PATTERN_LIMIT + 1)],
        ["a"] * (MAX_PATTERNS + 1),
        ["é" * 190] * 6,
        ["**/a/**/b/**"],
        ["a\\"],
    ],
)
def test_what_is_no_pattern_is_refused_by_the_name_of_its_field(value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_patterns(value, "exclude", ())
    assert caught.value.field == "exclude"


@given(st.lists(st.text(max_size=30), max_size=5), st.text(min_size=1, max_size=50))
def test_any_patterns_are_refused_or_can_be_matched(patterns: list[str], path: str) -> None:
    try:
        parsed = parse_patterns(patterns, "include", ())
    except InvalidRequest:
        return
    assert omitted(path, include=parsed) in (True, False)


@pytest.mark.parametrize("extension", ["mp4", "MP4", "pdf", "csv", "zip"])
def test_an_extension_that_no_picture_has_leaves_an_object_out_whatever_its_size(extension: str) -> None:
    for size in (0, SIZE, PICTURE_LIMIT + 1):
        assert omitted(f"a/film.{extension}", size)


@pytest.mark.parametrize("name", ["owl.jpg", "owl.HEIC", "raw.dng", "owl.tiff"])
def test_a_picture_is_never_left_out_for_its_size(name: str) -> None:
    for size in (0, SIZE, PICTURE_LIMIT + 1):
        assert not omitted(name, size)


@pytest.mark.parametrize("name", ["owl", "owl.bin", "a.mp4/owl", "4f3a9c.0", "owl.jpg.bak", ".jpg_"])
def test_of_any_other_name_the_size_decides_where_it_is_known(name: str) -> None:
    assert not omitted(name, SIZE) and not omitted(name, PICTURE_LIMIT)
    assert omitted(name, 0) and omitted(name, PICTURE_LIMIT + 1)
    assert Selection((), ()).omission(name) is None


def test_no_extension_is_both_of_a_picture_and_of_none() -> None:
    assert not NON_PICTURE_EXTENSIONS & ALL_EXTENSIONS
