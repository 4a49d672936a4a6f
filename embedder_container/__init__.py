"""The embedder: turns texts and images into vectors with an ONNX model, inside one Lambda function.

It opens untrusted files, so its function may do nothing else: it receives presigned URLs and has no permissions.
It stands alone: nothing here imports the rest of the application.
"""

# The version of all steps from a file's bytes to the tensor (`readers`, `images`, `colours`, `colour_spaces`,
# `transforms`, `tensors`).
# Raise it with any change there that moves a vector: it is part of each vector's model version, and vectors of
# different model versions are never compared. It is defined here so that a text query need not import Pillow.
DECODE_VERSION = 3
