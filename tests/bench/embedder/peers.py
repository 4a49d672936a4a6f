"""A peer in a process and an environment of its own, doing what it is told, one line at a time.

    PYTHON tests/bench/embedder/peers.py fastembed|open_clip THREADS VISION_FOLDER TEXT_FOLDER

A line of JSON comes in, `{"images": [FILE, …]}` or `{"texts": [TEXT, …]}` (each text by itself), and one goes out:
seconds, one number for all the images, or one for each text.
"""

import json
import sys
from collections.abc import Callable
from time import perf_counter

Peer = tuple[Callable[[list[str]], object], Callable[[str], object]]
BATCH = 16


def fastembed(threads: int, vision: str, text: str) -> Peer:
    from fastembed import ImageEmbedding, TextEmbedding

    images = ImageEmbedding("Qdrant/clip-ViT-B-32-vision", threads=threads, specific_model_path=vision)
    texts = TextEmbedding("Qdrant/clip-ViT-B-32-text", threads=threads, specific_model_path=text)
    return (lambda files: list(images.embed(files, batch_size=BATCH))), (lambda one: list(texts.embed([one])))


def open_clip(threads: int, *_: str) -> Peer:
    import open_clip
    import torch
    from PIL import Image

    torch.set_num_threads(threads)
    # The same architecture with random weights; nothing is downloaded.
    model, _train, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", pretrained=None)
    model.eval()
    tokenizer = open_clip.get_tokenizer("ViT-B-32-quickgelu")

    def images(files: list[str]) -> None:
        with torch.no_grad():
            for first in range(0, len(files), BATCH):
                pictures = [preprocess(Image.open(file)) for file in files[first : first + BATCH]]
                model.encode_image(torch.stack(pictures), normalize=True).numpy()

    def text(one: str) -> None:
        with torch.no_grad():
            model.encode_text(tokenizer([one]), normalize=True).numpy()

    return images, text


def main() -> None:
    name, threads, vision, text = sys.argv[1:]
    images, one_text = {"fastembed": fastembed, "open_clip": open_clip}[name](int(threads), vision, text)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        spent = []
        if "images" in asked:
            began = perf_counter()
            images(asked["images"])
            spent.append(perf_counter() - began)
        for one in asked.get("texts", []):
            began = perf_counter()
            one_text(one)
            spent.append(perf_counter() - began)
        print(json.dumps(spent), flush=True)


if __name__ == "__main__":
    main()
