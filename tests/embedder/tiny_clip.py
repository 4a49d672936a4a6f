"""A CLIP of two layers with random weights, and the reference values of other implementations for it."""

import json
from pathlib import Path

TINY_CLIP = Path(__file__).resolve().parents[1] / "models" / "tiny-clip"
REFERENCE = json.loads((TINY_CLIP / "reference.json").read_text("utf-8"))
