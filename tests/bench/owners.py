"""The owners of the benchmark's vectors, and the results that each search should have."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.vectors import FileSummary, SearchOptions, VectorDocument, VectorQuery
from tests.bench.pictures import Drawn, Vectors

MODEL, LIMIT = "lite-1+d1", 16
OWN = "own"
TIE_TOLERANCE = 1e-6  # of two distances that count as equal
SCATTERED, SCATTERED_FRACTION = "scattered_tenth", 0.1
COLLECTION_FRACTIONS = {"tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001, "ten_thousandth": 0.0001}
TENANT_SIZES = (1, 10, 17, 100, 300, 1_000, 3_000)  # of 100,000, ten are 0.01 %


@dataclass(frozen=True)
class World:
    """(n, D) vectors with their (n,) accounts and collections.

    One account has all vectors but those of some small tenants, in collections of a tenth to a ten thousandth of them
    and a rest. Each has whole kinds of pictures, as a photographer's collections have, so that most queries are far
    from what their filter passes. One more collection, a tenth as well, has some of everything.
    """

    vectors: Vectors
    accounts: NDArray[np.str_]
    collections: NDArray[np.str_]

    @classmethod
    def of(cls, drawn: Drawn) -> "World":
        count = len(drawn.vectors)
        accounts, collections = np.full(count, OWN, "<U16"), np.full(count, "rest", "<U16")
        by_kind = np.argsort(drawn.kinds, kind="stable")
        start = 0
        for size in TENANT_SIZES:
            if start + size < count // 2:
                rows = by_kind[start : start + size]
                accounts[rows] = collections[rows] = f"tenant-{size}"
                start += size
        own_count = count - start
        for name, fraction in COLLECTION_FRACTIONS.items():
            size = max(1, round(fraction * own_count))
            collections[by_kind[start : start + size]] = name
            start += size
        rest = by_kind[start:]
        scattered_count = min(len(rest), round(SCATTERED_FRACTION * own_count))
        collections[np.random.default_rng(3).choice(rest, scattered_count, replace=False)] = SCATTERED
        return cls(drawn.vectors, accounts, collections)

    def first(self, count: int) -> "World":
        return World(self.vectors[:count], self.accounts[:count], self.collections[:count])

    def has(self, collection: str) -> bool:
        """Whether the collection has vectors: a ten thousandth of few vectors is none."""
        return bool((self.collections == collection).any())

    def document(self, row: int) -> VectorDocument:
        collection, key = str(self.collections[row]), f"photos/{row}.jpg"
        return VectorDocument(
            uuid=uuid_of(row),
            account=str(self.accounts[row]),
            model=MODEL,
            version=1,
            vector=self.vectors[row].tobytes(),
            file=FileSummary(collection=collection, bucket="bucket", key=key, size=1, md5="0" * 32),
        )

    def nearest(self, queries: Vectors, account: str, collection: str | None) -> list[set[str]]:
        """Returns each query's true neighbours, by float64, with all that are as near as the last of them."""
        owned = self.accounts == account
        rows = np.flatnonzero(owned if collection is None else owned & (self.collections == collection))
        distances = 1 - queries.astype(np.float64) @ self.vectors[rows].astype(np.float64).T
        last = min(LIMIT, len(rows)) - 1
        farthest = np.partition(distances, last, axis=1)[:, last]
        return [
            {uuid_of(int(row)) for row in rows[of_query <= bound + TIE_TOLERANCE]}
            for of_query, bound in zip(distances, farthest, strict=True)
        ]


def query_of(account: str, vector: Vectors, collection: str | None = None) -> VectorQuery:
    """Returns the query for the nearest vectors of an account, or of one of its collections."""
    options = SearchOptions(limit=LIMIT, collections=(collection,) if collection else None)
    return VectorQuery(account=account, vector=vector.tobytes(), model=MODEL, options=options)


def uuid_of(row: int) -> str:
    return f"{row:08x}-0000-4000-8000-{row:012x}"
