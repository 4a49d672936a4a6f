"""Explains why a search has found a picture: how near it is to each term, and how seldom chance gives that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.composition import Term, WeightedVector, check_terms, compose, scales
from chalicelib.domain.errors import Conflict
from chalicelib.domain.files import FileRecord
from chalicelib.domain.relevance import expectation
from chalicelib.domain.vectors import cosine_distance
from chalicelib.services.search import SearchService


@dataclass(frozen=True, slots=True)
class TermMatch:
    """How near a picture is to one term.

    Args:
        similarity: the cosine of both vectors.
        chance: of all pictures, the fraction that is as near to an unrelated query; None without statistics.
    """

    similarity: float
    chance: float | None


@dataclass(frozen=True, slots=True)
class Match:
    """``terms`` has one for each term of a weight other than 0; ``chance`` is that of the whole query."""

    terms: Sequence[TermMatch]
    chance: float | None


@dataclass(frozen=True, slots=True)
class MatchService:
    search: SearchService

    def explain(
        self, account: str, terms: Sequence[Term], records: Mapping[str, FileRecord], record: FileRecord
    ) -> Match:
        """How an indexed picture answers a composed query.

        Args:
            records: as for ``SearchService.by_terms``, whose errors it raises.
        """
        check_terms(terms)
        model, weighted = self.search.weigh(account, [term for term in terms if term.weight], records)
        if record.embedding is None or record.embedding.model != model:
            raise Conflict("The picture has not been embedded by the present model yet. A sync does it.")
        calibration, picture = self.search.calibrations.read(account, model), record.embedding.vector
        distances = [cosine_distance(term.vector, picture) for term in weighted]
        if calibration is None:
            return Match([TermMatch(1 - distance, None) for distance in distances], None)
        matches = []
        for term, distance in zip(weighted, distances, strict=True):
            alone = expectation([WeightedVector(term.vector, term.kind, 1.0)], (1.0,), term.vector, calibration, 1)
            matches.append(TermMatch(1 - distance, alone.expected_by_chance(distance)))
        term_scales = scales(weighted, calibration) if len(weighted) > 1 else (1.0,)
        vector = compose(weighted, term_scales)
        chance = expectation(weighted, term_scales, vector, calibration, 1)
        return Match(matches, chance.expected_by_chance(cosine_distance(vector, picture)))
