"""The one training loop: networks, metrics, and a `Trainer` with an explicit, copyable state."""

from fer_gym.training.feature_noise import Dni, Periodic
from fer_gym.training.metrics import confusion_matrix, scores
from fer_gym.training.networks import NETWORKS, NetworkFactory
from fer_gym.training.regularizers import Regularizer, Strengths, Targets
from fer_gym.training.settings import TrainerSettings
from fer_gym.training.trainer import Batches, Outputs, Pending, Trainer
from fer_gym.training.version import VERSION

__all__ = [
    "NETWORKS",
    "VERSION",
    "Batches",
    "Dni",
    "NetworkFactory",
    "Outputs",
    "Pending",
    "Periodic",
    "Regularizer",
    "Strengths",
    "Targets",
    "Trainer",
    "TrainerSettings",
    "confusion_matrix",
    "scores",
]
