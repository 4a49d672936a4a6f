"""``make bench``: every figure of the README, a line each."""

from tests.bench import overhead, system, vectors

for part in (overhead, vectors, system):
    part.main()
