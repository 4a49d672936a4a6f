"""Builds the shipped model, `embedder_container/models/lite`, from its inputs: `python -m tools.lite`.

Its model card describes it, its limits and the licences of its inputs: `embedder_container/models/lite/CARD.md`.
"""
