"""The embedder: turns texts and pictures into vectors, with an ONNX model, inside one Lambda function.

It opens strangers' pictures, so it can do nothing else: it receives presigned URLs and holds no permission of its own.
It stands alone: nothing here imports the rest of the application.
"""

# The version of everything between a file's bytes and the tensor (`pictures.py`, `colours.py`, `preprocessing.py`).
# Raise it with any change there that moves a vector: it is stamped on each vector, and vectors of different stamps are
# never compared. It lives here so that a text query need not import Pillow to know it.
DECODE_VERSION = 2
