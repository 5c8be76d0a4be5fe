"""RegTune-v0: set the regularisation of a network, chunk by chunk, while it trains."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray

from fer_gym.checks import check_choice, check_count, check_options
from fer_gym.data import Splits, load
from fer_gym.envs.base import ScalarEnv, keywords_of
from fer_gym.envs.reg_tune import instances as instances_
from fer_gym.envs.reg_tune import rewards
from fer_gym.envs.reg_tune.instances import Instance
from fer_gym.envs.reg_tune.observation import Observation
from fer_gym.envs.reg_tune.picture import RunPicture
from fer_gym.envs.reg_tune.rewards import Chunk, RewardFunction
from fer_gym.errors import UsageError
from fer_gym.training import NetworkFactory, Pending, Regularizer, Strengths, Trainer, TrainerSettings, states
from fer_gym.training.augmentation import Augmentation
from fer_gym.training.metrics import confusion_matrix, scores
from fer_gym.training.settings import made_for

_DEFAULT = {"dropout": (0.0, 0.8)}


@dataclasses.dataclass(frozen=True)
class _Launched:
    """A chunk that may still be training; `pending` is empty if nothing trains, after a diverged warm-up."""

    trainer: Trainer
    strengths: NDArray[np.float32]
    pending: list[Pending]


# Gradient steps of a chunk, validation batches after it, chunks of an episode: more hang, and have no use.
_MOST_STEPS = 1 << 20


class RegTuneEnv(ScalarEnv[NDArray[np.float32], NDArray[np.float32]]):
    """Choose how strongly a child network is regularised while it trains (Purposeful Regularization, Hong 2024).

    ## Description
    Each step trains the child for one chunk of N = `chunk_size` mini-batches under the strengths that the agent
    chose, and scores it on `val_batches` mini-batches of the validation split. Each episode trains a new child.

    ## Observation
    `Box(float32, (N,))`: the training loss of each mini-batch of the last chunk, clipped to [0, 10 ln C]. A loss is
    the cross-entropy on the given labels in the training forward pass, before any penalty (under mixup, the mixed
    one). This is the paper's observation, without the time, the last action and the validation.
    `observe` names all parts of an observation, "losses" included, in their order:

    | part | values | before the first chunk |
    |---|---|---|
    | "losses" | the N training losses, in [0, 10 ln C] | 0 |
    | "train_f1", "val_f1" | one each, of the last chunk, in [0, 1] | 0 |
    | "strengths" | the h strengths of the last chunk, in their own units | the lower bounds |
    | "progress" | chunks done / `chunks`, in [0, 1] | 0 |

    ## Action
    `Box(float32, (h,))` from a to b, one strength for each of `regularizers`, in their order. Finite values outside
    are clipped; `info["hyperparameters"]` has what was applied.

    | name | strength | where |
    |---|---|---|
    | "dropout" | drop rate in [0, 1) | every dropout layer; in this package's networks before each dense layer |
    | "input_noise" | sigma, of pixels scaled to [0, 1] | the standardised image |
    | "feature_noise" | sigma, of the normalised activation | every batch norm's output, else every ReLU's input |
    | "weight_decay" | decoupled, as AdamW's | every parameter but DNI's ρ |
    | "label_smoothing" | share of the uniform target in [0, 1) | the loss |
    | "mixup" | alpha of Beta(alpha, alpha) | the batch |

    A regulariser that is not among `regularizers` is off, and so is the dropout built into this package's networks.
    Dropout in the network of a user's factory then keeps the rate that it was built with.

    ## Reward
    | `reward` | step t | if a loss is not finite |
    |---|---|---|
    | "gap" (the paper's) | mean validation F1 - mean training F1 | -1 for each step left, this one included |
    | "val_f1" | mean validation F1 | 0 |
    | "val_f1_change" | mean validation F1 - that of the step before (of the warm-up, else 0) | -(the last F1) |
    | "neg_val_loss" | -(mean validation loss, clipped as the observation) | -(the bound) for each step left |
    | a callable | gets a `Chunk`, returns a float | its `worst`, else -1, for each step left |

    The F1 of a mini-batch is the macro F1 over the classes among its labels and predictions; with `val_batches="all"`
    the validation F1 is that of the whole split, over all classes. The training F1 is that of the training forward
    passes, with the regularisers at work, or, with `train_f1="eval"`, of the same batches scored again in evaluation
    mode. The paper's reward can be raised without learning: whatever lowers the training F1 raises it, strong dropout
    above all. Never report it as success. "val_f1_change" is sound: it sums to the last validation F1 (0 after a
    divergence) minus the warm-up's (0 without one).

    ## Start and end
    Every `reset` builds a new child, of an instance that it draws where there are `instances`:
    `reset(options={"instance": k})` takes the k-th instead, with the same draws otherwise. With `warmup="uniform"`,
    `reset` also trains one chunk under strengths A_0 ~ U(a, b), returns its observation and reports A_0 in the info;
    with `warmup=None` it returns the values before the first chunk. `reset(seed=s)` fixes all that follows. An episode
    terminates after `chunks` steps, or when a loss is not finite (in the warm-up: at the first step). It is never
    truncated. After Ctrl-C in a `reset` or `step`, call `reset`; `reset(seed=s)` then acts as in a new environment.

    Training images come in epochs, each in an order drawn anew; a chunk goes on where the last one ended, into the
    next epoch if need be. Validation mini-batches are drawn for each step, without replacement while the split lasts.

    ## Info
    Each step's info: `chunk`, `hyperparameters` (by name), the means `train_loss`, `train_f1`, `val_loss`, `val_f1`,
    and `diverged`. The last step's also: `validation`, with `accuracy`, `average_accuracy`, `macro_f1` and
    `macro_f1_of_means` of the whole split. After a warm-up, the info of `reset` has the same for chunk 0. With
    `instances`, the infos of `reset` and of the last step have `instance`, which the observation never tells.

    ## Arguments
    Args:
        dataset: a name that `fer_gym.data.load` knows, or a `Splits`.
        root: where the data set is, see `fer_gym.data.load`; "synthetic" needs none.
        limit: at most so many training images.
        noise: corruption of the training images, see `fer_gym.data.load`.
        data_seed: decides split, limit and noise, and nothing else.
        network: "small", "rlps_cnn", "vgg19", "resnet34", or a factory f(channels, classes, image_size) -> nn.Module,
            such as `fer_gym.training.Dni("small")`.
        regularizers: a mapping from a name above, or a `fer_gym.training.Regularizer` of one's own, to the range (a, b)
            of its strength.
        chunk_size: N, gradient steps of a chunk.
        val_batches: validation mini-batches that are scored after each chunk; "all" scores the whole split once.
        chunks: steps of an episode.
        warmup: "uniform" or None, see above.
        reward: see above.
        train_f1: "train" or "eval".
        batch_size: images per gradient step, and per validation mini-batch.
        optimizer: "adam" or "sgd".
        learning_rate: of the optimiser.
        augment: None, or a mapping: `flip` (True: mirror half of the training images, by a coin each), `shift` (by at
            most so many pixels each way), `border` (what a shift uncovers: "zeros" or "reflect").
        observe: what an observation is made of, see above.
        instances: None, or a sequence of mappings of "noise", "limit", "learning_rate" and "batch_size" to values:
            each episode takes one of them in place of the keywords above.
        precision: "auto", "fp32" or "bf16".
        device: "auto", "cpu", "cuda" or "cuda:N".
        render_mode: None, "rgb_array" or "human".

    Raises:
        ValueError: a keyword, an action or an option is not allowed; the message names it and what is allowed.
        DatasetError: the data set is unusable.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": 4}  # noqa: RUF012 (Gymnasium's form)

    def __init__(
        self,
        dataset: str | Splits = "synthetic",
        root: str | None = None,
        limit: int | None = None,
        noise: Any = None,
        data_seed: int = 0,
        network: str | NetworkFactory = "small",
        regularizers: Mapping[str | Regularizer, tuple[float, float]] = _DEFAULT,  # type: ignore[assignment]
        chunk_size: int = 20,
        val_batches: int | str = 20,
        chunks: int = 40,
        warmup: str | None = "uniform",
        reward: str | RewardFunction = "gap",
        train_f1: str = "train",
        batch_size: int = 64,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        augment: Mapping[str, Any] | None = None,
        observe: Sequence[str] = ("losses",),
        instances: Sequence[Mapping[str, Any] | Instance] | None = None,
        precision: str = "auto",
        device: str = "auto",
        render_mode: str | None = None,
    ) -> None:
        self._keywords = keywords_of(RegTuneEnv, locals())
        check_count("chunk_size", chunk_size, least=1, most=_MOST_STEPS)
        check_count("chunks", chunks, least=1, most=_MOST_STEPS)
        if isinstance(val_batches, str):
            check_choice("val_batches", val_batches, ("all",), or_else="a whole number")
        else:
            check_count("val_batches", val_batches, least=1, most=_MOST_STEPS)
        check_choice("warmup", warmup, ("uniform", None))
        if not callable(reward):
            check_choice("reward", reward, rewards.REWARDS, or_else="a callable")
        check_choice("train_f1", train_f1, ("train", "eval"))
        check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        # NumPy's whole numbers overflow where Python's do not.
        self.chunk_size = int(chunk_size)
        self.val_batches = val_batches if isinstance(val_batches, str) else int(val_batches)
        self.chunks = int(chunks)
        self.warmup = warmup
        self.reward = reward
        self.train_f1 = train_f1
        self.render_mode = render_mode
        augmentation = Augmentation.of(augment)
        settings = TrainerSettings(network, batch_size, optimizer, learning_rate, precision, device, augmentation)
        self.strengths = Strengths(regularizers)
        self.instances = instances_.build(
            instances,
            functools.partial(load, dataset, root, data_seed=data_seed),
            settings,
            noise=noise,
            limit=limit,
        )
        self._instances_given = instances is not None
        self._instance = 0
        self.worst_loss = 10.0 * math.log(len(self.splits.classes))
        self._observation = Observation(observe, self.chunk_size, self.strengths, self.chunks, self.worst_loss)
        self.action_space = Box(self.strengths.low, self.strengths.high, dtype=np.float32)
        self.observation_space: Box = self._observation.space  # type: ignore[assignment]
        self._picture: RunPicture | None = None
        self._history: list[Chunk] = []
        self._chunk = self.chunks
        # By instance; each is built at its first reset: no device is touched before that. One that is at work is not
        # among them, so that a trainer whose work was interrupted is never used again.
        self._trainers: dict[int, Trainer] = {}
        self._child: Trainer | None = None  # of the episode; None if there is none, and while it is at work
        self._launched: _Launched | None = None

    @property
    def instance(self) -> int:
        """The place of the episode's instance in `instances`; it is not observed."""
        return self._instance

    @property
    def splits(self) -> Splits:
        """The data of the episode's instance."""
        return self.instances[self._instance].splits

    @property
    def settings(self) -> TrainerSettings:
        """How the child of the episode's instance is built and trained."""
        return self.instances[self._instance].settings

    @property
    def trainer(self) -> Trainer:
        """The child as it is, with its optimiser and data.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, and after an interrupted reset or step.
        """
        if self._child is None:
            raise ResetNeeded("there is no episode: call reset()")
        return self._child

    def _taken(self, instance: int) -> Trainer:
        """Take out an instance's trainer, or build one; it is put back unless the work is interrupted."""
        self._child = None
        return self._trainers.pop(instance, None) or self._new_trainer(instance)

    def _new_trainer(self, instance: int) -> Trainer:
        of = self.instances[instance]
        return Trainer(of.splits, of.settings, self.strengths)

    def _keep(self, trainer: Trainer) -> None:
        self._trainers[self._instance] = self._child = trainer

    # -- the run -------------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Build a new child, and warm it up. `options={"instance": k}`: of the k-th instance."""
        self.give_up(options)  # if this is interrupted, the next call must be a reset
        asked = self._instance_in(options)
        super().reset(seed=seed)
        # It is drawn even if it was asked for, so that the same seed gives the same child of every instance.
        drawn = int(self.np_random.integers(len(self.instances))) if self._instances_given else 0
        self._instance = drawn if asked is None else asked
        trainer = self._taken(self._instance)
        trainer.initialise(int(self.np_random.integers(2**32)))
        self._history = []
        self._chunk = 0
        observation, info = self._observation.before(), {}
        if self.warmup is not None:
            uniform = self.np_random.uniform(self.strengths.low, self.strengths.high).astype(np.float32)
            chunk = self._finish(_Launched(trainer, uniform, self._train(trainer, uniform)))
            observation, info = self._observation.after(chunk), self._info(chunk)
        self._keep(trainer)
        if self._instances_given:
            info["instance"] = self._instance
        if self.render_mode == "human":
            self.render()
        return observation, info

    def give_up(self, options: dict[str, Any] | None = None) -> None:
        """End the episode, if `reset` would take the options: the next call must be a reset.

        Raises:
            ValueError: if it would not; the episode goes on.
        """
        self._instance_in(options)
        self._child = self._launched = None

    def _instance_in(self, options: dict[str, Any] | None) -> int | None:
        check_options(options, allowed=("instance",) if self._instances_given else ())
        asked = (options or {}).get("instance")
        if asked is None:
            return None
        check_count("options: 'instance'", asked, least=0)
        if asked >= len(self.instances):
            raise UsageError(f"options: 'instance' {asked} is not allowed; there are {len(self.instances)}, from 0 on")
        return int(asked)

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], SupportsFloat, bool, bool, dict[str, Any]]:
        """Train the next chunk under the strengths `action`, float32 (h,), or wait for the one that `launch` began."""
        launched, self._launched = self._launched or self._begin(action), None
        steps_left = self.chunks - self._chunk
        self._chunk += 1
        chunk = self._finish(launched)
        reward = rewards.reward_of(chunk, self.reward, steps_left, self.worst_loss)
        info = self._info(chunk)
        if self._over:
            info["validation"] = launched.trainer.evaluate("val")
            if self._instances_given:
                info["instance"] = self._instance
        self._keep(launched.trainer)
        if self.render_mode == "human":
            self.render()
        return self._observation.after(chunk), reward, self._over, False, info

    def launch(self, action: NDArray[np.float32]) -> None:
        """Begin the chunk that the following `step` of the same action finishes; on CUDA, without waiting for it."""
        self._launched = self._begin(action)

    def _begin(self, action: NDArray[np.float32]) -> _Launched:
        if self.needs_reset:
            raise ResetNeeded("the episode is over or was never begun: call reset()")
        strengths = self.checked(action)
        trainer = self._taken(self._instance)
        # After a warm-up that diverged there is nothing left to train.
        pending = [] if self._history and self._history[-1].diverged else self._train(trainer, strengths)
        return _Launched(trainer, strengths, pending)

    @property
    def needs_reset(self) -> bool:
        """Whether there is no episode to step: before the first reset, and after an episode's end."""
        return self._child is None or self._over

    @property
    def _over(self) -> bool:
        diverged = bool(self._history) and self._history[-1].diverged
        return self._chunk >= self.chunks or (self._chunk > 0 and diverged)

    def checked(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        """The strengths to apply, float32 (h,): `action` clipped to its bounds.

        Raises:
            ValueError: if the action is not (h,) finite numbers.
        """
        try:
            strengths = np.asarray(action, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"action: {action!r} is not allowed; use numbers of shape {self.action_space.shape}"
            ) from error
        if strengths.shape != self.action_space.shape or not np.isfinite(strengths).all():
            raise UsageError(
                f"action: {action!r} is not allowed; use finite numbers of shape {self.action_space.shape}, one for "
                f"each of {', '.join(self.strengths.names)}"
            )
        clipped: NDArray[np.float32] = np.clip(strengths, self.strengths.low, self.strengths.high)
        return clipped

    def _train(self, trainer: Trainer, strengths: NDArray[np.float32]) -> list[Pending]:
        """Train and score one chunk."""
        trainer.set_strengths(strengths)
        trained = trainer.train_batches(self.chunk_size)
        whole = isinstance(self.val_batches, str)
        validated = trainer.validate_split() if whole else trainer.validate_batches(int(self.val_batches))
        return [trained, validated, *([trainer.score_again(trained)] if self.train_f1 == "eval" else [])]

    def _finish(self, launched: _Launched) -> Chunk:
        """Read the outputs of a chunk, and add the chunk to the history."""
        last = self._history[-1] if self._history else None
        previous = 0.0 if last is None or last.diverged else last.val_f1
        named = dict(zip(self.strengths.names, launched.strengths.tolist(), strict=True))
        if launched.pending:
            train, val, *again = launched.trainer.read(*launched.pending)
            scored = again[0] if again else train
            losses, val_loss = train.losses, float(val.losses.mean())
            train_f1 = float(scored.f1.mean())
            if self.val_batches == "all":
                val_f1 = scores(confusion_matrix(val.labels[0], val.predictions[0], val.num_classes))["macro_f1"]
            else:
                val_f1 = float(val.f1.mean())
        else:
            losses, val_loss = np.full(self.chunk_size, np.nan, np.float32), math.nan
            train_f1 = val_f1 = 0.0
        chunk = Chunk(self._chunk, named, losses, train_f1, val_loss, val_f1, previous)
        self._history.append(chunk)
        return chunk

    def _info(self, chunk: Chunk) -> dict[str, Any]:
        losses = self._observation.clipped(chunk.train_losses) if chunk.diverged else chunk.train_losses
        return {
            "chunk": chunk.number,
            "hyperparameters": dict(chunk.hyperparameters),
            "train_loss": float(losses.mean()),
            "train_f1": chunk.train_f1,
            "val_loss": chunk.val_loss if math.isfinite(chunk.val_loss) else self.worst_loss,
            "val_f1": chunk.val_f1,
            "diverged": chunk.diverged,
        }

    # -- the state -----------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The whole state: network, optimiser, generators and history. `copy.deepcopy` copies it.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        return {
            **states.header(self.made_for()),
            "trainer": self.trainer.state_dict(),
            "generator": self.np_random.bit_generator.state,
            "instance": self._instance,
            "chunk": self._chunk,
            "history": [dataclasses.asdict(chunk) for chunk in self._history],
        }

    def made_for(self) -> dict[str, Any]:
        """All that decides a state's future, as JSON values: each instance's data and training, and the episode."""
        pairs = zip(self.strengths.names, self.strengths.low.tolist(), self.strengths.high.tolist(), strict=True)
        names = ("chunk_size", "val_batches", "chunks", "warmup", "train_f1")
        return {
            "instances": [made_for(each.splits, each.settings) for each in self.instances],
            "regularizers": {name: [low, high] for name, low, high in pairs},
            **{name: getattr(self, name) for name in names},
        }

    def check_state(self, state: Any) -> Trainer:
        """The trainer that would take a state, untouched.

        Raises:
            ValueError: if `load_state_dict` would not take it.
        """
        states.check_header(state, self.made_for())
        parts = ("format", "made_for", "trainer", "generator", "instance", "chunk", "history")
        states.check_keys("", state, parts)
        states.check_count("instance", state["instance"], len(self.instances) - 1)
        states.check_count("chunk", state["chunk"], self.chunks)
        strengths = dict.fromkeys(self.strengths.names, 0.0)
        chunk = dataclasses.asdict(Chunk(0, strengths, np.zeros(self.chunk_size, np.float32), 0.0, 0.0, 0.0, 0.0))
        numbers = range(1 if self.warmup is None else 0, state["chunk"] + 1)
        states.check_like("history", state["history"], [chunk] * len(numbers))
        for place, number in enumerate(numbers):
            states.check_like(f"history[{place}].number", state["history"][place]["number"], number, values=True)
        states.check_numpy_generator("generator", state["generator"], self.np_random)
        trainer = self._trainers.get(state["instance"]) or self._new_trainer(state["instance"])
        trainer.check_state(state["trainer"], "trainer")
        return trainer

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any environment with the same keywords: the future is the same, bit for bit.

        Raises:
            ValueError: if a part is missing, does not fit, or is of other data or settings; the message names the part.
                The environment is then as it was.
        """
        trainer = self.check_state(state)
        self._child = self._launched = None  # if this is interrupted, the next call must be a reset
        self._trainers.pop(state["instance"], None)
        trainer.load_state_dict(state["trainer"])
        self.np_random.bit_generator.state = state["generator"]
        self._instance = state["instance"]
        self._chunk = state["chunk"]
        self._history = [Chunk(**copy.deepcopy(chunk)) for chunk in state["history"]]
        self._keep(trainer)

    # -- the picture ---------------------------------------------------------------------------------------------

    def _draw(self) -> NDArray[np.uint8]:
        """The losses, the F1 and the strengths of every chunk so far."""
        if self._child is None:
            raise ResetNeeded("there is no episode: call reset()")
        if self._picture is None:
            bounds = list(zip(self.strengths.low.tolist(), self.strengths.high.tolist(), strict=True))
            warmup = self.warmup is not None
            self._picture = RunPicture(self.strengths.names, bounds, self.chunks, self.worst_loss, warmup)
        history = self._history
        return self._picture.draw(
            [chunk.train_losses for chunk in history],
            [chunk.val_loss for chunk in history],
            [chunk.train_f1 for chunk in history],
            [chunk.val_f1 for chunk in history],
            [np.array(list(chunk.hyperparameters.values()), np.float32) for chunk in history],
            bool(history) and history[-1].diverged,
        )
