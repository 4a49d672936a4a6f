"""What API Gateway is told to do, and the emulator does in its place: it loads this at its start, and no template."""

MINIMUM_COMPRESSION_BYTES = 1024  # of a response: less is one packet either way
