"""Colours that a file declares by numbers are shown as Chromium shows them."""

import numpy as np
import pytest

from embedder_container.images import decode
from tests.pictures.declarations import COLOURS, PATCH, declared_files, shown_by_chromium

TOLERANCE = 4  # of 255, in each channel of each colour
FILES, SHOWN = declared_files(), shown_by_chromium()


def test_every_declaration_has_chromiums_colours() -> None:
    assert FILES.keys() == SHOWN.keys()
    assert len(FILES) > 40


@pytest.mark.parametrize("name", FILES)
def test_a_declared_colour_space_is_shown_as_chromium_shows_it(name: str) -> None:
    pixels = np.asarray(decode(FILES[name]).image).astype(int)
    own = pixels[PATCH // 2, PATCH // 2 :: PATCH]
    assert own.shape == (len(COLOURS), 3)
    assert np.abs(own - np.array(SHOWN[name])).max() <= TOLERANCE
