"""Damages files as chance and malice do."""

import random
from collections.abc import Callable, Sequence

# Lengths, counts and sizes at which parsers go wrong.
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
# Most of what a parser believes stands in the first bytes.
HEADER = 128
MAX_BYTES = 64 * 1024

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def mutated(corpus: Sequence[bytes], chance: random.Random) -> bytes:
    """One file of the corpus with one to eight injuries."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        chance.choice(MUTATIONS)(data, chance, corpus)
    return bytes(data[:MAX_BYTES])


def _flip_bit(data: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    if data:
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _set_byte(data: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    if data:
        data[_place(data, chance)] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, chance.randrange(256)))


def _set_number(data: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    width = chance.choice((2, 4))
    if len(data) >= width:
        at = min(_place(data, chance), len(data) - width)
        value = chance.choice(EXTREMES) & (256**width - 1)
        data[at : at + width] = value.to_bytes(width, chance.choice(("little", "big")))


def _cut(data: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _remove(data: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    at = _place(data, chance) if data else 0
    del data[at : at + chance.randrange(1, 64)]


def _repeat(data: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    at = _place(data, chance) if data else 0
    data[at:at] = data[at : at + chance.randrange(1, 256)] * chance.choice((1, 2, 16))


def _insert(data: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    at = _place(data, chance) if data else 0
    data[at:at] = chance.randbytes(chance.randrange(1, 64))


def _splice(data: bytearray, chance: random.Random, corpus: Sequence[bytes]) -> None:
    """The beginning of one file, the end of another."""
    other = chance.choice(corpus)
    del data[chance.randrange(len(data) + 1) :]
    data += other[chance.randrange(len(other) + 1) :]


def _place(data: bytearray, chance: random.Random) -> int:
    return chance.randrange(min(len(data), HEADER) if chance.random() < 0.6 else len(data))


MUTATIONS: tuple[Mutation, ...] = (
    _flip_bit,
    _flip_bit,
    _set_byte,
    _set_byte,
    _set_number,
    _set_number,
    _cut,
    _remove,
    _repeat,
    _insert,
    _splice,
)
