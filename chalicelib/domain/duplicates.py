"""Which files show one picture, and lists of files with the copies of a picture folded into its first one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from chalicelib.domain.calibration import Calibration
from chalicelib.domain.vectors import FileSummary, unit_vector

# Of the 64 bits of a perceptual hash. Zauner 2010 (``embedder_container.perceptual_hash``) reports that copies of one
# picture differ in few of them and other pictures in about half. docs/duplicates.md has what was measured here.
MAX_DIFFERENT_BITS = 12
# A bit says whether a coefficient is above the median, so a picture has about 32. Plain surfaces have few, by rounding,
# and are all alike.
MIN_SET_BITS = 24
# Cosine distance of the vectors of copies. It is wide, because small copies are far under small models; it refuses
# pictures of one layout, whose hashes are near by chance.
MAX_SAME_DISTANCE = 0.2
SIMILAR_FRACTION = 1 / 3  # of the distance of unrelated pictures
SIMILAR_DISTANCE = 0.05  # of a model without statistics


class Tier(StrEnum):
    """How alike the files of a group are, the most alike first.

    ``IDENTICAL`` files have the same bytes. ``SAME`` ones show one picture: their hashes and their vectors are near.
    Of ``SIMILAR`` ones the vectors alone are near.
    """

    IDENTICAL = "identical"
    SAME = "same"
    SIMILAR = "similar"


class Found(Protocol):
    """A file in a list of results."""

    @property
    def uuid(self) -> str: ...
    @property
    def file(self) -> FileSummary: ...


F = TypeVar("F", bound=Found)
# Whether the vectors of two files, given by their uuids, are as near as those of copies.
AreNear = Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Fold(Generic[F]):
    """The first file of a picture, and the files behind it that show the same picture."""

    first: F
    copies: tuple[F, ...] = ()


def significant_bits(perceptual_hash: str | None) -> int | None:
    """The bits of a hash; None if there is none, or if it says nothing of the picture."""
    if perceptual_hash is None:
        return None
    bits = int(perceptual_hash, 16)
    return bits if bits.bit_count() >= MIN_SET_BITS else None


def look_alike(one: int | None, other: int | None) -> bool:
    """Whether two hashes (``significant_bits``) may be of one picture."""
    return one is not None and other is not None and (one ^ other).bit_count() <= MAX_DIFFERENT_BITS


def content(file: FileSummary) -> tuple[str, int]:
    """What files of the same bytes have in common: MD5 and size."""
    return file.md5, file.size


def undecided(found: Sequence[Found]) -> list[str]:
    """The uuids of files that look like another one of other bytes: their vectors decide."""
    described = [(content(each.file), significant_bits(each.file.perceptual_hash)) for each in found]
    # The bits belong to it: of the same bytes, a file that was indexed long ago may have no hash.
    pictures = list(dict.fromkeys(described))
    alike = set()
    for place, one in enumerate(pictures):
        for other in pictures[:place]:
            if one[0] != other[0] and look_alike(one[1], other[1]):
                alike |= {one, other}
    return [each.uuid for each, picture in zip(found, described, strict=True) if picture in alike]


def fold(found: Sequence[F], are_near: AreNear) -> list[Fold[F]]:
    """The first file of each picture with its copies, of the tiers ``IDENTICAL`` and ``SAME``, in the given order.

    A file is compared with first files alone, so that copies of copies do not lead from one picture to another one.
    What is folded at the beginning of a list does not depend on what comes behind.
    """
    folds: list[tuple[F, int | None, list[F]]] = []
    by_content: dict[tuple[str, int], int] = {}
    for each in found:
        bits = significant_bits(each.file.perceptual_hash)
        place = by_content.get(content(each.file))
        if place is None:
            alike = (
                number
                for number, (first, first_bits, _) in enumerate(folds)
                if look_alike(first_bits, bits) and are_near(first.uuid, each.uuid)
            )
            place = by_content[content(each.file)] = next(alike, len(folds))
        if place == len(folds):
            folds.append((each, bits, []))
        else:
            folds[place][2].append(each)
    return [Fold(first, tuple(copies)) for first, _, copies in folds]


def similar_distance(calibration: Calibration | None, vector: bytes) -> float:
    """The cosine distance up to which another picture is similar to one of this vector.

    It is a third of the distance that two in a hundred unrelated pictures have at most: so far the model's statistics
    reach (``domain.calibration``), beyond they are extrapolated. docs/duplicates.md has what it finds.

    Args:
        calibration: of the vector's model; None if there is none.
    """
    if calibration is None:
        return SIMILAR_DISTANCE
    unit, chance = unit_vector(vector), calibration.picture
    location = min(calibration.location(unit), chance.location)
    spread = min(calibration.spread(unit), chance.spread)
    unrelated = 1 - location - chance.quantiles[-1] * spread
    return max(0.0, unrelated * SIMILAR_FRACTION)
