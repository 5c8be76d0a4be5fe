"""A regulariser of one's own: a penalty on sure predictions, beside dropout."""

import gymnasium as gym
from torch.nn.functional import log_softmax

from fer_gym.training import Regularizer


class Confidence(Regularizer):
    """The loss less strength times the mean entropy of the predictions."""

    name = "confidence"

    def objective(self, loss, logits):
        """The loss so far, and the penalty."""
        log_p = log_softmax(logits, dim=1)
        return loss + self.strength * (log_p.exp() * log_p).sum(dim=1).mean()


env = gym.make(
    "fer_gym:RegTune-v0",
    limit=200,
    regularizers={"dropout": (0.0, 0.8), Confidence(): (0.0, 2.0)},
    chunks=4,
    chunk_size=5,
    val_batches=4,
    batch_size=16,
)
env.action_space.seed(0)
observation, info = env.reset(seed=0)
terminated = False
while not terminated:
    action = env.action_space.sample()  # the drop rate, then the strength of the penalty
    observation, reward, terminated, truncated, info = env.step(action)
    print(info["hyperparameters"], f"training loss {info['train_loss']:.3f}")
