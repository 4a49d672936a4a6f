"""``make bench-sync``: how fast a sync plans, and what one costs; some ten minutes."""

import sys

from tests.bench.sync import costs, plan

match sys.argv[1:]:
    case ["--turn", keys, order]:
        plan.take_turn(int(keys), order)
    case ["costs"]:
        costs.main()
    case ["planning"]:
        plan.main()
    case []:
        costs.main()
        plan.main()
    case _:
        sys.exit("usage: python -m tests.bench.sync [costs | planning]")
