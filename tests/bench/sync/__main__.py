"""``make bench SUITE=sync``: how fast a sync plans, and what one costs. Takes some ten minutes."""

import sys

from tests.bench.sync import costs, layouts, non_pictures, plan

match sys.argv[1:]:
    case ["--turn", keys, order]:
        plan.run_turn(int(keys), order)
    case ["costs"]:
        costs.main()
    case ["planning"]:
        plan.main()
    case ["non-pictures"]:
        non_pictures.main()
    case ["layouts"]:
        layouts.main()
    case ["layouts", "costs"]:
        layouts.main(with_reads=False)
    case ["layouts", "reads"]:
        layouts.main(with_costs=False)
    case []:
        costs.main()
        non_pictures.main()
        plan.main()
    case _:
        sys.exit("usage: python -m tests.bench.sync [costs | layouts [costs | reads] | non-pictures | planning]")
