"""States as values that compare with ==, NaN with itself."""

from typing import Any

import numpy as np
import torch


def plain(value: Any) -> Any:
    """Arrays and tensors as their bytes, everything around them in the types that it has."""
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value
