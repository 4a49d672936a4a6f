"""How well searches find the samples: by captions and categories, composed, without something, cut, and after feedback.

Each model at hand, on both stores; of 50 pictures OpenSearch's graph leaves out none, and `SUITE=store` measures what
it does of many. `tests/models/tiny-clip` has random weights: it understands nothing, and shows what a cut does then.

``python -m tests.bench.quality --model NAME`` measures another one, by its name in the registry or its folder.
"""

import argparse
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from chalicelib.adapters.sqlite.vector_store import SQLiteVectorStore
from chalicelib.domain.composition import UNWANTED_WEIGHT, Term
from infra.evaluation.measures import Outcome
from infra.localhost import free_port
from infra.opensearch.node import Node
from tests.bench.figures import figure
from tests.bench.opensearch import store_on
from tests.bench.quality.system import InProcessEmbedder, SampleSearch, text

STORES = ("sqlite", "opensearch")
MODELS = {"lite": "lite", "random": "./tests/models/tiny-clip"}
# Texts of which none fits any sample, and none is among the unrelated texts of a calibration.
ABSENT = (Path(__file__).parent / "absent.txt").read_text("utf-8").splitlines()
PROMPTS = ("a photo of {}", "a picture of {}", "a close-up photo of {}", "a photo of {} outdoors", "{}")
DECORATIONS = {"quoted": "“{}” 🐾", "exclaimed": "{}!!!", "numbered": "IMG_2024 {}", "dated": "{}, 2019"}
LEVELS = (5.0, 2.0, 1.0, 0.5, 0.1)
JUDGED, LISTED = 3, 10  # pictures of each kind that feedback names, and those that are then looked at
BIRDS = ("chickens", "kingfisher-bird", "macaw-parrot", "owl", "white-duck")
SEA = ("black-coral", "clownfish", "crab", "goldfish", "starfish-on-the-sea-floor")
MAMMALS = (
    *("bison", "cow", "german-shepherd-dog", "giant-panda", "giraffes", "hedgehog", "horses", "jaguars", "kangaroo"),
    *("koala", "lemur", "moose", "pig", "playing-kitten", "polar-bears", "red-panda", "sheep"),
)
SUBJECTS = {
    "an animal": (*BIRDS, *SEA, *MAMMALS, "crocodile"),
    "a bird": BIRDS,
    "life in the sea": SEA,
    "a mammal": MAMMALS,
    "a building": (
        *("colosseum-in-rome", "dam", "dutch-windmill", "eiffel-tower", "great-wall-of-china", "igloo", "pyramid"),
        *("sydney-opera-house", "taj-mahal"),
    ),
    "a thing in the house": ("chair", "cup-of-coffee", "frying-pan", "hammer", "scissors", "screwdriver"),
    "leisure": ("baseball", "drums", "orchestra-on-a-stage", "volleyball"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.quality", description=__doc__)
    parser.add_argument("--model", help="only this one, by its name in the registry or its folder, with a slash")
    parser.add_argument("--store", choices=STORES, help="only this one (default: both)")
    options = parser.parse_args()
    models = {Path(options.model).name: options.model} if options.model else MODELS
    with TemporaryDirectory() as folder, ExitStack() as stack:
        for store in [options.store] if options.store else STORES:
            if store == "opensearch":
                node = stack.enter_context(Node(Path(folder), free_port(), heap_mb=512))
            for name, model in models.items():
                embedder = InProcessEmbedder(model)
                stack.callback(embedder.close)
                if store == "opensearch":
                    samples = SampleSearch.of(embedder, store_on(node, f"quality-{name}"))
                else:
                    samples = SampleSearch.of(embedder, SQLiteVectorStore(str(Path(folder) / f"{name}.sqlite")))
                for measure in MEASURES:
                    measure(f"{store}_{name}", samples)


def captions(model: str, samples: SampleSearch) -> None:
    ranks = [samples.names([text(title)]).index(name) for name, title in samples.titles.items()]
    _recall(f"{model}_caption", ranks, (1, 5, 10))


def categories(model: str, samples: SampleSearch) -> None:
    """Subjects, of which each has several pictures."""
    outcomes = [Outcome(frozenset(right), samples.names([text(subject)]), None) for subject, right in SUBJECTS.items()]
    as_many = [outcome.precision(len(outcome.expected)) for outcome in outcomes]
    figure(f"{model}_category_r_precision", 100 * statistics.mean(as_many), "%")
    figure(f"{model}_category_p5", 100 * statistics.mean(outcome.precision(5) for outcome in outcomes), "%")
    figure(f"{model}_category_ndcg10", statistics.mean(outcome.ndcg(10) for outcome in outcomes), "of 1")


def prompts(model: str, samples: SampleSearch) -> None:
    """The captions again, each the mean of several prompts."""
    ranks = [
        samples.names([text(prompt.format(title)) for prompt in PROMPTS], calibrated=False).index(name)
        for name, title in samples.titles.items()
    ]
    _recall(f"{model}_prompted", ranks, (1, 5))


def decorated(model: str, samples: SampleSearch) -> None:
    """The captions as people write and copy texts."""
    for name, pattern in DECORATIONS.items():
        ranks = [samples.names([text(pattern.format(title))]).index(sample) for sample, title in samples.titles.items()]
        _recall(f"{model}_{name}", ranks, (1,))


def composed(model: str, samples: SampleSearch) -> None:
    """A caption with the picture of another sample, which is not listed: the caption's picture is still among five."""
    names = list(samples.titles)
    pairs = [(names[i], names[(i + step) % len(names)]) for i in range(len(names)) for step in (7, 19, 31)]
    for name, calibrated in (("composed", True), ("composed_unscaled", False)):
        ranks = [
            samples.names([text(samples.titles[one]), samples.file(other)], calibrated=calibrated).index(one)
            for one, other in pairs
        ]
        _recall(f"{model}_{name}", ranks, (5,))
    both = [
        {one, other} <= set(samples.names([text(samples.titles[one]), text(samples.titles[other])])[:5])
        for one, other in pairs
    ]
    figure(f"{model}_two_texts_both_r5", 100 * statistics.mean(both), "%")


def without(model: str, samples: SampleSearch) -> None:
    """Animals without one of them: how far down it goes, and whether animals are still what is listed."""
    animals = SUBJECTS["an animal"]
    before = samples.names([text("an animal")])
    moved, kept = [], []
    for name in before[:LISTED]:
        if name in animals:
            after = samples.names([text("an animal"), text(samples.titles[name], UNWANTED_WEIGHT)])
            moved.append(after.index(name) - before.index(name))
            kept.append(_precision(after, animals, LISTED))
    figure(f"{model}_without_ranks_down", statistics.median(moved), "ranks")
    figure(f"{model}_without_p10_before", 100 * _precision(before, animals, LISTED), "%")
    figure(f"{model}_without_p10_after", 100 * statistics.mean(kept), "%")


def cut(model: str, samples: SampleSearch) -> None:
    """Captions, each of one picture that is there, and texts of which none is."""
    listed = {name: samples.names([text(title)], cutoff=True) for name, title in samples.titles.items()}
    found = sum(name in names for name, names in listed.items())
    total = sum(map(len, listed.values()))
    figure(f"{model}_cut_recall", 100 * found / len(listed), "%")
    figure(f"{model}_cut_precision", 100 * found / max(1, total), "%")
    absent = [len(samples.names([text(words)], cutoff=True)) for words in ABSENT]
    figure(f"{model}_cut_absent_empty", 100 * statistics.mean(count == 0 for count in absent), "%")
    figure(f"{model}_cut_absent_listed", statistics.mean(absent), "pictures")
    themselves = [samples.names([samples.file(name)], cutoff=True) for name in samples.titles]
    figure(f"{model}_cut_similar_listed", statistics.mean(map(len, themselves)), "pictures")


def expectations(model: str, samples: SampleSearch) -> None:
    """Pictures that the absent texts, and pairs of them, find where so many are expected."""
    pairs = list(pairwise(ABSENT))
    queries: dict[str, list[list[Term]]] = {
        "chance": [[text(words)] for words in ABSENT],
        "chance_of_two": [[text(one), text(other)] for one, other in pairs],
    }
    for name, terms in queries.items():
        found = [samples.find(each, shown=True).expected_by_chance or () for each in terms]
        for level in LEVELS:
            observed = statistics.mean(sum(number <= level for number in numbers) for numbers in found)
            figure(f"{model}_{name}_at_{level:g}", observed, "pictures")


def feedback(model: str, samples: SampleSearch) -> None:
    """After one look: the first three right pictures are liked and the first three wrong ones disliked.

    What is measured are the first ten of the pictures that were not judged, before and after.
    """
    before, after, liked_only = [], [], []
    for subject, right in SUBJECTS.items():
        names = samples.names([text(subject)])
        like = [name for name in names if name in right][:JUDGED]
        unlike = [name for name in names if name not in right][:JUDGED]
        rest = [name for name in right if name not in like]
        listed = min(LISTED, len(rest))
        positive: list[Term] = [text(subject), *(samples.file(name, 1 / len(like)) for name in like)]
        negative: list[Term] = [samples.file(name, UNWANTED_WEIGHT / len(unlike)) for name in unlike]

        def left(names: Sequence[str], judged: Sequence[str] = (*like, *unlike)) -> list[str]:
            return [name for name in names if name not in judged]

        before.append(_precision(left(names), rest, listed))
        liked_only.append(_precision(left(samples.names(positive)), rest, listed))
        after.append(_precision(left(samples.names(positive + negative)), rest, listed))
    for name, precisions in (("before", before), ("liked", liked_only), ("after", after)):
        figure(f"{model}_feedback_precision_{name}", 100 * statistics.mean(precisions), "%")


def _recall(name: str, ranks: Sequence[int], at: Sequence[int]) -> None:
    for limit in at:
        figure(f"{name}_r{limit}", 100 * float(np.mean(np.array(ranks) < limit)), "%")


def _precision(names: Sequence[str], right: Sequence[str], limit: int) -> float:
    return sum(name in right for name in names[:limit]) / limit


MEASURES = (captions, categories, prompts, decorated, composed, without, cut, expectations, feedback)

if __name__ == "__main__":
    main()
