"""``make bench SUITE=sync``: how fast a sync plans, and what one costs. Takes some ten minutes."""

import sys

from tests.bench.sync import costs, plan

match sys.argv[1:]:
    case ["--turn", keys, order]:
        plan.run_turn(int(keys), order)
    case ["costs"]:
        costs.main()
    case ["planning"]:
        plan.main()
    case []:
        costs.main()
        plan.main()
    case _:
        sys.exit("usage: python -m tests.bench.sync [costs | planning]")
