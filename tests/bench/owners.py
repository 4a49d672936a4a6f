"""Who owns which of the benchmark's vectors, and what each search should find."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.vectors import VectorDocument
from tests.bench.pictures import Drawn, Vectors

MODEL, LIMIT = "lite-1+d1", 16
OWN = "own"
SCATTERED = "scattered_tenth"
SHARES = {"tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001, "ten_thousandth": 0.0001}
TENANTS = (1, 10, 17, 100, 300, 1_000, 3_000)  # of 100,000, ten are 0.01 %


@dataclass(frozen=True)
class World:
    """The (n,) accounts and collections beside (n, D) vectors.

    One account has all but some small tenants' vectors, in collections of a tenth to a ten thousandth of it and a
    rest. Each holds whole kinds of pictures, as a photographer's do, so that most queries lie far from what their
    filter passes; one more, a tenth as well, holds some of everything.
    """

    vectors: Vectors
    accounts: NDArray[np.str_]
    collections: NDArray[np.str_]

    @classmethod
    def of(cls, drawn: Drawn) -> "World":
        count = len(drawn.vectors)
        accounts, collections = np.full(count, OWN, "<U16"), np.full(count, "rest", "<U16")
        by_kind = np.argsort(drawn.kinds, kind="stable")
        place = 0
        for size in TENANTS:
            if place + size < count // 2:
                rows = by_kind[place : place + size]
                accounts[rows] = collections[rows] = f"tenant-{size}"
                place += size
        left = count - place
        for name, share in SHARES.items():
            size = max(1, round(share * left))
            collections[by_kind[place : place + size]] = name
            place += size
        rest = by_kind[place:]
        collections[np.random.default_rng(3).choice(rest, min(len(rest), round(0.1 * left)), replace=False)] = SCATTERED
        return cls(drawn.vectors, accounts, collections)

    def first(self, count: int) -> "World":
        return World(self.vectors[:count], self.accounts[:count], self.collections[:count])

    def has(self, collection: str) -> bool:
        """Whether there are any of it: of few vectors, a ten thousandth is none."""
        return bool((self.collections == collection).any())

    def document(self, row: int) -> VectorDocument:
        return VectorDocument(
            uuid_of(row),
            str(self.accounts[row]),
            str(self.collections[row]),
            "bucket",
            f"photos/{row}.jpg",
            1,
            "0" * 32,
            MODEL,
            1,
            self.vectors[row].tobytes(),
        )

    def nearest(self, asked: Vectors, account: str, collection: str | None) -> list[set[str]]:
        """For each query the true neighbours, in float64, with all that are as near as the last of them."""
        owned = self.accounts == account
        rows = np.flatnonzero(owned if collection is None else owned & (self.collections == collection))
        away = 1 - asked.astype(np.float64) @ self.vectors[rows].astype(np.float64).T
        last = np.partition(away, min(LIMIT, len(rows)) - 1, axis=1)[:, min(LIMIT, len(rows)) - 1]
        return [
            {uuid_of(int(row)) for row in rows[each <= farthest + 1e-6]}
            for each, farthest in zip(away, last, strict=True)
        ]


def uuid_of(row: int) -> str:
    return f"{row:08x}-0000-4000-8000-{row:012x}"
