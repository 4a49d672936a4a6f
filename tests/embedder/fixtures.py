"""The lite model, loaded once for all tests, and a local store behind presigned-looking URLs."""

from collections.abc import Iterator

import pytest

from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.handler import build
from embedder_container.inference import Model
from embedder_container.models import MODELS_SHIPPED, load_description
from embedder_container.settings import Settings
from embedder_container.transfer import Transfers
from tests.embedder.store import Store


@pytest.fixture(scope="session")
def lite() -> Model:
    """The model that ships, on one thread: the tests share their machine."""
    return Model(load_description(MODELS_SHIPPED, "lite"), threads=1)


@pytest.fixture
def store() -> Iterator[Store]:
    """An HTTP server on loopback that holds objects and takes uploads."""
    with Store() as running:
        yield running


@pytest.fixture(scope="session")
def decoders(lite: Model) -> Iterator[DecoderPool]:
    """Two processes that decode for the lite model."""
    pool = DecoderPool(lite.card.image, processes=2)
    yield pool
    pool.close()


@pytest.fixture
def embedder(lite: Model, store: Store, decoders: DecoderPool) -> Embedder:
    """An embedder that accepts the local store's plain HTTP, and loses patience soon, though not on a busy machine."""
    return Embedder(lite, Transfers(store.endpoint, silence_seconds=2, transfer_seconds=5), decoders, processors=2)


@pytest.fixture
def fresh() -> Iterator[Embedder]:
    """An embedder that has loaded nothing yet."""
    embedder = build(Settings.from_environ({"EMBEDDER_THREADS": "1"}))
    yield embedder
    embedder.close()
