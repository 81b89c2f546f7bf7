"""Scoring with exported graphs: the same scores from the same bundle, and no torch.

``twinspect.load(path, runtime="onnx")`` is the door; ``openvino``, an export's own name, or ``auto`` go likewise.
"""
