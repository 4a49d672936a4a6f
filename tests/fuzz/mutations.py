"""Damages files, at random and in ways that attackers use."""

import random
from collections.abc import Callable, Sequence

# Lengths, counts and sizes that parsers often handle wrongly.
EXTREME_NUMBERS = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x10000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFE,
    0xFFFFFFFF,
)
# Most numbers that a parser relies on are in the first bytes, so most mutations are there.
HEADER_BYTES, HEADER_SHARE = 128, 0.6
MAX_MUTATED_BYTES = 64 * 1024

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def mutate(corpus: Sequence[bytes], rng: random.Random) -> bytes:
    """Return a file of the corpus with one to eight mutations."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        rng.choice(MUTATIONS)(data, rng, corpus)
    return bytes(data[:MAX_MUTATED_BYTES])


def _flip_bit(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    if data:
        data[_random_position(data, rng)] ^= 1 << rng.randrange(8)


def _set_byte(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    if data:
        data[_random_position(data, rng)] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF, rng.randrange(256)))


def _set_number(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    width = rng.choice((2, 4))
    if len(data) >= width:
        position = min(_random_position(data, rng), len(data) - width)
        value = rng.choice(EXTREME_NUMBERS) & (256**width - 1)
        data[position : position + width] = value.to_bytes(width, rng.choice(("little", "big")))


def _cut(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _remove(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    position = _random_position(data, rng) if data else 0
    del data[position : position + rng.randrange(1, 64)]


def _repeat(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    position = _random_position(data, rng) if data else 0
    data[position:position] = data[position : position + rng.randrange(1, 256)] * rng.choice((1, 2, 16))


def _insert(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    position = _random_position(data, rng) if data else 0
    data[position:position] = rng.randbytes(rng.randrange(1, 64))


def _splice(data: bytearray, rng: random.Random, corpus: Sequence[bytes]) -> None:
    """Join the beginning of one file and the end of another."""
    other = rng.choice(corpus)
    del data[rng.randrange(len(data) + 1) :]
    data += other[rng.randrange(len(other) + 1) :]


def _random_position(data: bytearray, rng: random.Random) -> int:
    return rng.randrange(min(len(data), HEADER_BYTES) if rng.random() < HEADER_SHARE else len(data))


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
