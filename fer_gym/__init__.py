"""fer-gym: training loops of facial expression recognition as Gymnasium tasks."""

from fer_gym.errors import DatasetError

__all__ = ["DatasetError"]
__version__ = "0.1.0"
