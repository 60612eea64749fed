"""Conversion: safetensors → ONNX graphs, node by node, without torch. Imported only while converting."""
