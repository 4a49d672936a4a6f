"""The statistics of a model's similarities (``chalicelib.domain.calibration``), from vectors of pictures and texts."""
