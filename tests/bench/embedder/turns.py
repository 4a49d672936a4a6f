"""The embedder beside the one of another checkout and beside the bare model, in turns, in one run.

    git worktree add build/before COMMIT
    python -m tests.bench.embedder.turns build/before

`…_before` is the other checkout's, `…_after` this one's; `bare` is `session.run` on ready tensors in batches of eight,
a thread for each processor, of the graph as it is published, and `optimised` of the graph as this checkout optimises it
at the build. `lite` is the shipped model, whose pictures get thumbnails here and whose graph is not optimised.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from embedder_container.images import decode
from embedder_container.inference import OPTIMISED_SUFFIX, Model
from embedder_container.models import SHIPPED_MODELS, load_description
from embedder_container.transforms import to_pixels
from tests.bench.embedder.checkout_process import HERE, CheckoutProcess, Spent
from tests.bench.embedder.full_size import full_size_model
from tests.bench.embedder.image_files import image_files
from tests.bench.embedder.peer_process import THREADS
from tests.bench.embedder.speed import raw_model_runs, spent_by
from tests.bench.figures import figure


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.embedder.turns")
    parser.add_argument("before", type=Path, help="another checkout of this repository")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--model", choices=("full", "lite"), default="full")
    parser.add_argument("--sizes", nargs="+", choices=("640", "3000"), default=("640", "3000"))
    options = parser.parse_args()
    description = full_size_model() if options.model == "full" else load_description(SHIPPED_MODELS, "lite")
    checkouts = {"before": options.before.resolve(), "after": HERE}
    processes = {name: CheckoutProcess(folder, options.model, THREADS) for name, folder in checkouts.items()}
    try:
        for size in options.sizes:
            _measure(size, processes, Model(description, 1), options.rounds)
    finally:
        for process in processes.values():
            process.stop()


def _measure(size: str, processes: dict[str, CheckoutProcess], model: Model, rounds: int) -> None:
    files = image_files(size)
    is_lite = model.description.name == "lite"
    tensors = [to_pixels(decode(file.read_bytes(), 224).image, model.description.image) for file in files]
    bare = {"bare": model.description.path("vision.onnx")}
    optimised = model.description.folder / f"vision{OPTIMISED_SUFFIX}"
    if optimised.exists():
        bare["optimised"] = optimised
    times = 8 if is_lite else 1
    sides: dict[str, Callable[[], Spent]] = {
        **{name: _bare_run(graph, tensors, times) for name, graph in bare.items()},
        **{
            name: lambda process=process: process.embed(files, thumbnails=is_lite, times=times)  # type: ignore[misc]
            for name, process in processes.items()
        },
    }
    spent: dict[str, list[Spent]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            one = side()
            if turn:
                spent[name].append(one)
    prefix = f"{model.description.name}_{size}".replace("vit-b-32-random", "embed")
    for name, turns in spent.items():
        clock, processors = (statistics.median(getattr(one, unit) for one in turns) for unit in ("clock", "processors"))
        figure(f"{prefix}_{name}", times * len(files) / clock, "1/s")
        figure(f"{prefix}_{name}_processor", processors * 1000 / times / len(files), "ms")
    for name, other in product(processes, bare):
        for unit in ("clock", "processors"):
            ratios = [getattr(a, unit) / getattr(b, unit) for a, b in zip(spent[other], spent[name], strict=True)]
            figure(f"{prefix}_{name}_of_{other}_{unit}", statistics.median(ratios), "x")


def _bare_run(graph: Path, tensors: Sequence[Any], times: int) -> Callable[[], Spent]:
    """Return a run of the bare graph on ready tensors; what it takes counts so many times."""
    run = raw_model_runs(graph, tensors)["raw_apart"]
    return lambda: Spent(*(number * times for number in spent_by(run)))


if __name__ == "__main__":
    main()
