"""The one training loop: networks, metrics, and a `Trainer` with an explicit, copyable state."""

from fer_gym.training.metrics import confusion_matrix, scores
from fer_gym.training.networks import NETWORKS, NetworkFactory
from fer_gym.training.trainer import Outputs, Trainer, TrainerSettings

__all__ = [
    "NETWORKS",
    "NetworkFactory",
    "Outputs",
    "Trainer",
    "TrainerSettings",
    "confusion_matrix",
    "scores",
]
