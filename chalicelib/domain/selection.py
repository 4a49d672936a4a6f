"""Which objects of a collection's folder are indexed: by its patterns, and by what extension and size say beforehand.

Patterns are those of gitignore (https://git-scm.com/docs/gitignore), matched with keys below the folder. Letters match
in either case: cameras and copying programs write both.
"""

import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.base import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from chalicelib.domain.bracket_expressions import NO_SLASH, BracketExpressions, InvalidBracket
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.image_files import ALL_EXTENSIONS, PICTURE_LIMIT
from chalicelib.domain.texts import excerpt

MAX_PATTERNS = 50  # of a list
PATTERN_LIMIT = 200  # characters
# Bytes of a list. Each write of a file updates its collection's item as well, and DynamoDB charges by the item's size.
PATTERNS_LIMIT = 2_000
MAX_DOUBLE_ASTERISKS = 2  # of a pattern: the time to match grows with this power of the key's length

# Folders and files that software makes for itself: version control, packages, archives of macOS, network storage,
# thumbnails, trash, snapshots, and previews of photo libraries.
DEFAULT_EXCLUDE = (
    ".git/", ".hg/", ".svn/", "node_modules/", "__MACOSX/", "._*", ".AppleDouble/", ".DS_Store", ".Spotlight-V100/",
    ".TemporaryItems/", ".fseventsd/", ".Trash/", ".Trashes/", ".Trash-*/", "$RECYCLE.BIN/",
    "System Volume Information/", "Thumbs.db", "desktop.ini", "@eaDir/", "\\#recycle/", "\\#snapshot/", "@Recycle/",
    "@Recently-Snapshot/", ".@__thumb/", ".thumbnails/", ".thumbs/", ".stversions/", ".dropbox.cache/", "lost+found/",
    "*.lrdata/", "**/*.photoslibrary/resources/derivatives/",
)  # fmt: skip

# Extensions that no program gives a picture, by kinds: video, audio, documents, archives and images of disks, programs
# and their text, data and files that accompany pictures, fonts and three dimensions. Where one is doubtful, it is
# missing here, and the bytes decide.
_NON_PICTURE = (
    "3g2 3gp asf avi f4v flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv rmvb vob webm wmv "
    "aac aif aiff amr ape flac m4a m4b mid midi mka mp2 mp3 oga ogg opus wav wma "
    "csv doc docm docx epub key mobi numbers odp ods odt pages pdf ppt pptm pptx rtf tsv txt xls xlsb xlsm xlsx "
    "7z bz2 cab deb dmg gz iso jar lz4 rar rpm tar tgz txz vhd vhdx vmdk war xz zip zst "
    "apk app bat c class cpp cs css dll exe go h htm html ini ipa java js json jsonl jsx kt log lua map md msi ndjson "
    "php pl ps1 py pyc rb rs sh so sql swift toml ts tsx vbs wasm xhtml xml yaml yml "
    "aae avro db db3 h5 hdf5 lrcat mdb npy npz onnx orc parquet pickle pkl pt safetensors sav sqlite sqlite3 srt vtt "
    "xmp "
    "eot fbx glb gltf obj otf stl ttf woff woff2"
)
# Pictures that people take or make, and that cannot be read here: they are listed as failed, whatever their size.
_UNSUPPORTED_PICTURE = (
    "3fr ai arw cr2 cr3 crw dcr dng eps erf exr fff ico iiq jxl kdc mos mrw nef nrw orf pef psb psd raf raw rw2 sr2 "
    "srf srw svg x3f"
)
NON_PICTURE_EXTENSIONS = frozenset(_NON_PICTURE.split())
_PICTURE_EXTENSIONS = ALL_EXTENSIONS | frozenset(_UNSUPPORTED_PICTURE.split())
# Parts of pathspec's regular expressions: an asterisk, folders that may stand before, the slash after a folder's name.
_ASTERISK, _IN_ANY_FOLDER, _NAMED_SLASH = "[^/]*", "^(?:.+/)?", "(?P<ps_d>/)"


class OmissionReason(StrEnum):
    """``EXCLUDED``: by a pattern. ``NOT_INCLUDED``: no pattern names it. ``NO_PICTURE``: by extension and size."""

    EXCLUDED = "excluded"
    NOT_INCLUDED = "not_included"
    NO_PICTURE = "no_picture"


@dataclass(frozen=True, slots=True)
class Omission:
    """Why an object is not indexed; ``pattern`` is the excluding one."""

    reason: OmissionReason
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """``include``: what to index, all if it is empty. ``exclude``: what of that to leave out."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE

    def omission(self, path: str, size: int | None = None) -> Omission | None:
        """Why an object is not indexed; None if it is.

        Args:
            path: its key below the collection's folder.
            size: in bytes; None if it is not known, which omits no object.
        """
        if self.exclude and (pattern := _matching_pattern(self.exclude, path)) is not None:
            return Omission(OmissionReason.EXCLUDED, pattern)
        if self.include and _matching_pattern(self.include, path) is None:
            return Omission(OmissionReason.NOT_INCLUDED)
        return Omission(OmissionReason.NO_PICTURE) if _is_no_picture(path, size) else None


DEFAULT_SELECTION = Selection()


def parse_patterns(value: object, field: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """A list of patterns; None stands for the default one.

    Raises:
        InvalidRequest: it is no list of patterns, too long, or one of them matches nothing.
    """
    if value is None:
        return default
    if not isinstance(value, list) or not all(isinstance(pattern, str) for pattern in value):
        raise InvalidRequest(f"{field} is a list of patterns such as ['*.jpg', 'drafts/'].", field=field)
    if len(value) > MAX_PATTERNS or sum(len(pattern.encode()) for pattern in value) > PATTERNS_LIMIT:
        raise InvalidRequest(
            f"{field} has at most {MAX_PATTERNS} patterns and {PATTERNS_LIMIT:,} bytes in all.", field=field
        )
    for pattern in value:
        _check_pattern(pattern, field)
    return tuple(dict.fromkeys(value))


def _check_pattern(pattern: str, field: str) -> None:
    if len(pattern) > PATTERN_LIMIT:
        raise InvalidRequest(f"A pattern has at most {PATTERN_LIMIT} characters.", field=field)
    shown = excerpt(pattern)
    if any(unicodedata.category(character) == "Cc" for character in pattern):
        raise InvalidRequest(f"The pattern '{shown}' has a control character. Use '?' in its place.", field=field)
    if pattern.count("**") > MAX_DOUBLE_ASTERISKS:
        raise InvalidRequest(
            f"A pattern has '**' at most {MAX_DOUBLE_ASTERISKS} times; '{shown}' has more.", field=field
        )
    try:
        matches_something = any(compiled.include is not None for compiled in _compiled((pattern,))[0].patterns)
    except (GitIgnorePatternError, InvalidBracket, re.error):
        matches_something = False
    if not matches_something:
        raise InvalidRequest(
            f"The pattern '{shown}' matches nothing. Write it as in a .gitignore file; '\\#' stands for a '#' at its "
            "beginning.",
            field=field,
        )


def _matching_pattern(patterns: tuple[str, ...], path: str) -> str | None:
    """The pattern that decides that the path matches."""
    spec, any_of = _compiled(patterns)
    # Folders without a name at the beginning of a key, of which gitignore knows nothing, count for nothing.
    path = _comparable(path).lstrip("/")
    if any_of.match(path) is None:  # most paths of a bucket, in a twentieth of the time
        return None
    result = spec.check_file(f"/{path}")  # it takes one slash away, or else a folder named '.'
    return patterns[result.index] if result.include and result.index is not None else None


@lru_cache(maxsize=256)
def _compiled(patterns: Sequence[str]) -> tuple[GitIgnoreSpec, re.Pattern[str]]:
    """The patterns, and one expression that matches where any of them does that is not negated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of brackets that a later Python may read otherwise
        # By Python's own regular expressions: they are on every machine, and ``_Pattern`` keeps them fast.
        spec = GitIgnoreSpec.from_lines(map(_comparable, patterns), _Pattern, backend="simple")
        return spec, _any_of([str(p.regex.pattern) for p in spec.patterns if p.include and p.regex is not None])


def _any_of(sources: Sequence[str]) -> re.Pattern[str]:
    """One expression for several; those that may match in any folder go through the folders together."""
    unnamed = [source.replace(_NAMED_SLASH, "/") for source in sources]
    anywhere = [source.removeprefix(_IN_ANY_FOLDER) for source in unnamed if source.startswith(_IN_ANY_FOLDER)]
    others = [source for source in unnamed if not source.startswith(_IN_ANY_FOLDER)]
    parts = [source if source.startswith("^") else f"^.*?{source}" for source in others]
    if anywhere:
        parts.append(f"{_IN_ANY_FOLDER}(?:{'|'.join(anywhere)})")
    return re.compile("|".join(parts))


def _comparable(text: str) -> str:
    """The text with small letters and composed accents, and without line feeds: pathspec's expressions end at them."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.lower().replace("\n", "\r")


class _Pattern(GitIgnoreSpecPattern):
    """A pattern with git's bracket expressions, whose asterisks need no backtracking.

    Each asterisk takes the first place where the text after it matches.
    Within a segment a later place never helps: what follows the text is another asterisk. ``fnmatch`` does the same.
    Else a pattern such as ``*a*a*a*a*b`` would occupy a worker for hours with one long key.
    """

    __slots__ = ()

    @classmethod
    def pattern_to_regex(cls, pattern: Any) -> Any:
        brackets = BracketExpressions.of(pattern)
        regex, include = super().pattern_to_regex(brackets.pattern)
        if regex is None:
            return regex, include
        regex = brackets.restored(regex)
        first, *rest = regex.split(_ASTERISK)
        if not rest:
            return regex, include
        *inner, last = rest
        # A group stands for folders, of which the first ones need not be the right ones. Each begins with "(?": a
        # parenthesis of the pattern itself is escaped, and so is a question mark after it.
        parts = [
            f"{_ASTERISK}{text}" if "(?" in text.replace(NO_SLASH, "") else f"(?>{_ASTERISK}?{text})" for text in inner
        ]
        return f"{first}{''.join(parts)}{_ASTERISK}{last}", include


def _is_no_picture(path: str, size: int | None) -> bool:
    """Whether an object is no picture that can be indexed: by its extension and, where that says nothing, its size."""
    _, dot, extension = path.rpartition("/")[2].rpartition(".")
    extension = extension.lower() if dot else ""
    if extension in NON_PICTURE_EXTENSIONS:
        return True
    return size is not None and not 0 < size <= PICTURE_LIMIT and extension not in _PICTURE_EXTENSIONS
