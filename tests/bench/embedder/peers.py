"""Embeds with another library, in a process and an environment of its own; one request and one reply a line.

    PYTHON tests/bench/embedder/peers.py fastembed|open_clip THREADS VISION_FOLDER TEXT_FOLDER

A request is a line of JSON, `{"images": [FILE, …]}` or `{"texts": [TEXT, …]}` (each text by itself). The reply is a
list of seconds, one number for all the images, or one for each text.
"""

import json
import sys
from collections.abc import Callable
from time import perf_counter

EmbedFunctions = tuple[Callable[[list[str]], object], Callable[[str], object]]  # of files, and of one text
PEER_BATCH = 16


def fastembed(threads: int, vision: str, text: str) -> EmbedFunctions:
    from fastembed import ImageEmbedding, TextEmbedding

    image_model = ImageEmbedding("Qdrant/clip-ViT-B-32-vision", threads=threads, specific_model_path=vision)
    text_model = TextEmbedding("Qdrant/clip-ViT-B-32-text", threads=threads, specific_model_path=text)
    return (
        lambda files: list(image_model.embed(files, batch_size=PEER_BATCH)),
        lambda query: list(text_model.embed([query])),
    )


def open_clip(threads: int, *_: str) -> EmbedFunctions:
    import open_clip
    import torch
    from PIL import Image

    torch.set_num_threads(threads)
    # The same architecture with random weights; nothing is downloaded.
    model, _train, preprocess = open_clip.create_model_and_transforms("ViT-B-32-quickgelu", pretrained=None)
    model.eval()
    tokenizer = open_clip.get_tokenizer("ViT-B-32-quickgelu")

    def embed_images(files: list[str]) -> None:
        with torch.no_grad():
            for first in range(0, len(files), PEER_BATCH):
                images = [preprocess(Image.open(file)) for file in files[first : first + PEER_BATCH]]
                model.encode_image(torch.stack(images), normalize=True).numpy()

    def embed_text(query: str) -> None:
        with torch.no_grad():
            model.encode_text(tokenizer([query]), normalize=True).numpy()

    return embed_images, embed_text


def main() -> None:
    name, threads, vision, text = sys.argv[1:]
    embed_images, embed_text = {"fastembed": fastembed, "open_clip": open_clip}[name](int(threads), vision, text)
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        seconds = []
        if "images" in request:
            start = perf_counter()
            embed_images(request["images"])
            seconds.append(perf_counter() - start)
        for query in request.get("texts", []):
            start = perf_counter()
            embed_text(query)
            seconds.append(perf_counter() - start)
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
