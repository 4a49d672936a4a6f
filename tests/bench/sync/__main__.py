"""``make bench-sync``: how fast a sync plans, and what one costs; some ten minutes."""

import sys

from tests.bench.sync import costs, planning

match sys.argv[1:]:
    case ["--turn", keys, order]:
        planning.take_turn(int(keys), order)
    case ["costs"]:
        costs.main()
    case ["planning"]:
        planning.main()
    case []:
        costs.main()
        planning.main()
    case _:
        sys.exit("usage: python -m tests.bench.sync [costs | planning]")
