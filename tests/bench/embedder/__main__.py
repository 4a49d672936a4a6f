"""``make bench-embed``: the embedder on CLIP ViT-B/32 at full size, beside the bare model and two peers, in one run.

Sides take turns, round after round, so that whatever else the machine does meets all of them; a ratio is the median of
the rounds' ratios. Pictures are JPEG bytes in memory (ours) or files in the page cache (theirs), and become vectors.
"""

from embedder_container.decoder_pool import DecoderPool
from embedder_container.inference import Model
from tests.bench.embedder.footprint import cold, cost, handler, memory
from tests.bench.embedder.full_size import full_size_model
from tests.bench.embedder.peer_process import THREADS, Peer
from tests.bench.embedder.speed import images, reduced, texts


def main() -> None:
    card = full_size_model()
    model = Model(card, THREADS)
    decoders = DecoderPool(card.image, THREADS)
    peers = {name: Peer(name, card) for name in ("fastembed", "open_clip")}
    try:
        rate = {size: images(size, model, decoders, peers) for size in ("640", "3000")}
        text_seconds = texts(model, decoders, peers)
    finally:
        for peer in peers.values():
            peer.stop()
        decoders.close()
    reduced()
    memory()
    cold()
    handler(card, rate["640"])
    cost(rate["640"], text_seconds)


if __name__ == "__main__":
    main()
