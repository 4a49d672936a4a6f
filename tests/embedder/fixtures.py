"""The lite model, loaded once for all tests, and a local object store behind URLs that look presigned."""

from collections.abc import Iterator

import pytest

from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.handler import embedder_from_settings
from embedder_container.inference import Model
from embedder_container.models import SHIPPED_MODELS, load_description, read_description
from embedder_container.settings import Settings
from embedder_container.transfer import Transfers
from tests.embedder.store import ObjectStore
from tests.embedder.tiny_clip import TINY_CLIP


@pytest.fixture(scope="session")
def lite() -> Model:
    """The shipped model, on one thread: the tests share their machine."""
    return Model(load_description(SHIPPED_MODELS, "lite"), threads=1)


@pytest.fixture(scope="session")
def tiny_clip() -> Model:
    """A CLIP of two layers with random weights."""
    return Model(read_description(TINY_CLIP), threads=1)


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    """An HTTP server on loopback that has objects and accepts uploads."""
    with ObjectStore() as store:
        yield store


@pytest.fixture(scope="session")
def decoders(lite: Model) -> Iterator[DecoderPool]:
    """Two processes that decode for the lite model."""
    pool = DecoderPool(lite.description.image, processes=2)
    yield pool
    pool.close()


@pytest.fixture
def embedder(lite: Model, store: ObjectStore, decoders: DecoderPool) -> Embedder:
    """An embedder that accepts the local store's plain HTTP, with short timeouts that a busy machine still meets."""
    transfers = Transfers(store.endpoint, read_timeout_seconds=2, transfer_seconds=5)
    return Embedder(lite, transfers, decoders, processors=2)


@pytest.fixture
def unloaded_embedder() -> Iterator[Embedder]:
    """An embedder that has loaded nothing yet."""
    embedder = embedder_from_settings(Settings.from_environ({"EMBEDDER_THREADS": "1"}))
    yield embedder
    embedder.close()
