"""Pictures that are decoded at a time fit into the function beside its model, the worst of them too."""

import math
import time
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedder_container import limits
from embedder_container.decode_memory import DecodeMemory
from embedder_container.errors import Code, ItemError
from embedder_container.settings import Settings

DEFAULT = limits.FUNCTION_MEMORY_MB * 1024**2
WORST_PICTURE = 1_820_000_000  # 110 megapixels of WebP, by `make stress SUITE=pictures`
CLIP = 606_000_000 * 6 // 5


@given(st.integers(0, 10**10), st.integers(0, 3 * 10**9), st.integers(1, 6))
def test_all_processes_at_their_largest_fit_into_the_function(function: int, model: int, processes: int) -> None:
    memory = DecodeMemory(function, model, processes)
    total = limits.EMBEDDER_BYTES + model + processes * limits.SMALL_DECODE_BYTES + memory.size
    assert total <= max(function, total - memory.size + limits.SMALL_DECODE_BYTES)


@pytest.mark.parametrize("model", [10_000_000, CLIP], ids=["lite", "clip-vit-b-32"])
def test_the_worst_picture_has_room_in_the_default_memory(model: int) -> None:
    with DecodeMemory(DEFAULT, model, processes=2).reserve(WORST_PICTURE, math.inf):
        pass


def test_a_picture_beyond_the_room_is_refused() -> None:
    with pytest.raises(ItemError) as caught, DecodeMemory(DEFAULT, 2 * 10**9, 2).reserve(WORST_PICTURE, math.inf):
        pass
    assert (caught.value.code, caught.value.transient) == (Code.TOO_COSTLY, False)


def test_a_second_large_picture_waits_for_the_first_and_at_the_deadline_is_postponed() -> None:
    memory = DecodeMemory(DEFAULT, 0, processes=2)
    with memory.reserve(WORST_PICTURE, math.inf):
        with pytest.raises(ItemError) as caught, memory.reserve(WORST_PICTURE, time.monotonic() + 0.01):
            pass
        assert caught.value.code == Code.POSTPONED
        with memory.reserve(limits.SMALL_DECODE_BYTES, math.inf):
            pass
        done: list[bool] = []

        def decode() -> None:
            with memory.reserve(WORST_PICTURE, math.inf):
                done.append(True)

        second = Thread(target=decode)
        second.start()
    second.join()
    assert done == [True]


def test_the_functions_memory_is_what_lambda_says() -> None:
    assert Settings.from_environ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "4608"}).memory_mb == 4608
    assert Settings.from_environ({}).memory_mb == limits.FUNCTION_MEMORY_MB
