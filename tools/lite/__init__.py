"""Builds the model that ships, `embedder_container/models/lite`, from its inputs: `python -m tools.lite`.

What it is, what it can and cannot do, and the licences of its inputs: `embedder_container/models/lite/CARD.md`.
"""
