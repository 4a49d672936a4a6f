"""A model's graph as the build reads it: its nodes, shapes and constants."""

from typing import Any

import onnx
from onnx import TensorProto, helper, shape_inference

Shape = tuple[int | str, ...]  # a str is a length that only a run knows


class Graph:
    """The nodes, inferred shapes and constants of a model; it does not follow changes of the model."""

    def __init__(self, model: onnx.ModelProto) -> None:
        inferred = shape_inference.infer_shapes(model, data_prop=True).graph
        self.shapes: dict[str, Shape] = {
            info.name: tuple(
                _length(dim, f"{info.name}.{axis}") for axis, dim in enumerate(info.type.tensor_type.shape.dim)
            )
            for info in (*inferred.input, *inferred.value_info, *inferred.output)
            if info.type.tensor_type.HasField("shape")
        }
        self.constants: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = node.attribute[0].t
            elif node.op_type == "Identity" and node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]]
        self.shapes |= {name: tuple(tensor.dims) for name, tensor in self.constants.items()}
        self.nodes = list(model.graph.node)
        self.outputs = {output.name for output in model.graph.output}


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return a node's attribute, or the operator's default."""
    for one in node.attribute:
        if one.name == name:
            return helper.get_attribute_value(one)
    return default


def _length(dimension: onnx.TensorShapeProto.Dimension, unknown: str) -> int | str:
    if dimension.HasField("dim_value"):
        return int(dimension.dim_value)
    return str(dimension.dim_param) or unknown
