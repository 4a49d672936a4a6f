"""Runs graphs that tests make."""

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray


def run(model: onnx.ModelProto, **feed: NDArray[np.float32]) -> NDArray[np.float32]:
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of constants that are not used any more
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    output: NDArray[np.float32] = session.run(None, feed)[0]
    return output


def copy_of(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.ModelProto.FromString(model.SerializeToString())
