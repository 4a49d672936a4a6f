"""``make bench SUITE=embed``: the embedder on full-size CLIP ViT-B/32, beside the bare model and two peers, in one run.

The sides take turns, round after round, so that other load on the machine affects all of them; a ratio is the median of
the rounds' ratios. Images are JPEG bytes in memory (ours) or files in the page cache (the peers'), and become vectors.
"""

from embedder_container.decoder_pool import DecoderPool
from embedder_container.inference import Model
from tests.bench.embedder.footprint import measure_cold_start, measure_handler, measure_memory, print_costs
from tests.bench.embedder.full_size import full_size_model
from tests.bench.embedder.peer_process import THREADS, Peer
from tests.bench.embedder.speed import measure_images, measure_reduced_decode, measure_texts


def main() -> None:
    description = full_size_model()
    model = Model(description, THREADS)
    decoders = DecoderPool(description.image, THREADS)
    peers = {name: Peer(name, description) for name in ("fastembed", "open_clip")}
    try:
        rates = {size: measure_images(size, model, decoders, peers) for size in ("640", "3000")}
        text_seconds = measure_texts(model, decoders, peers)
    finally:
        for peer in peers.values():
            peer.stop()
        decoders.close()
    measure_reduced_decode()
    measure_memory()
    measure_cold_start()
    measure_handler(description, rates["640"])
    print_costs(rates["640"], text_seconds)


if __name__ == "__main__":
    main()
