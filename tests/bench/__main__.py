"""``make bench``: prints every figure of its main suite, a line each."""

from tests.bench import overhead, system, vectors

for part in (overhead, vectors, system):
    part.main()
