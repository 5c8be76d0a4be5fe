"""The training loop. Both environments are thin decision processes over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fer_gym.data.splits import Splits
from fer_gym.errors import UsageError
from fer_gym.training import features, hardware, onednn, optimizers, states
from fer_gym.training.generators import Dropout, draw_noise_from, global_generators_restored
from fer_gym.training.images import Images, is_on, mean_and_std
from fer_gym.training.metrics import batch_macro_f1, confusion_matrix, scores
from fer_gym.training.recorded import Recorded, graphs_are_wanted
from fer_gym.training.regularizers import (
    REGULARIZERS,
    Regularizer,
    Strengths,
    Targets,
    changed_batch,
    changed_objective,
    seed_of,
)
from fer_gym.training.settings import TrainerSettings, build_network

# Pixels of an evaluation batch: large batches take less time per image, and more memory.
_EVALUATION_PIXELS = {"cpu": 256 * 48**2, "cuda": 1024 * 48**2}


@dataclass(frozen=True)
class Outputs:
    """What one evaluation pass over a split yields, in the split's order.

    Attributes:
        features: float32, (N, D), finite.
        probabilities: float32, (N, C); uniform for an image whose logits are not finite.
    """

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Batches:
    """What some mini-batches of one size yielded.

    Attributes:
        losses: float32, (n,): the cross-entropy of each batch on its labels, under mixup the mixed one, before any
            penalty.
        labels: int64, (n, B).
        predictions: int64, (n, B): in the same forward pass as the losses.
        num_classes: C.
    """

    losses: NDArray[np.float32]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    num_classes: int

    @property
    def f1(self) -> NDArray[np.float64]:
        """(n,): the macro F1 of each batch, over the classes among its labels and predictions."""
        return batch_macro_f1(self.labels, self.predictions, self.num_classes)


@dataclass(frozen=True)
class Pending:
    """Mini-batches whose outputs are still on the device: float32, (n, 1 + B), for each its loss and B predictions."""

    outputs: Tensor
    indices: Tensor
    split: str


class Trainer:
    """A network with its optimiser, its sampler and its generators: one state, which can be copied and put back.

    All draws come from generators of the trainer's own: initial weights, batch order, dropout. On CPU the same
    seed, precision and thread count give the same bits.

    Args:
        splits: the data. Images stay uint8, on the device (CUDA, where they fit) or in the memory map.
        settings: how to build and train the network.
        strengths: regularisers whose strength is set from outside. Where they are given they are the only ones: the
            dropout that this package's networks come with is off.

    Raises:
        ValueError: if a setting is not allowed here, the network does not fit the data, or a regulariser finds no
            site in it.
    """

    @hardware.training_modes()
    def __init__(self, splits: Splits, settings: TrainerSettings, strengths: Strengths | None = None) -> None:
        hardware.one_thread_in_a_worker()
        self.splits = splits
        self.settings = settings
        settings.augment.check_fits(splits.image_shape[-1])
        self.device = hardware.resolve_device(settings.device)
        self.bf16 = hardware.uses_bf16(settings.precision, self.device)
        if self.device.type == "cpu":
            hardware.keep_freed_memory()
        named = {name: getattr(splits, name) for name in ("train", "val", "test")}
        missing = sum(split.pixels.nbytes for split in named.values() if not is_on(self.device, split))
        resident = hardware.takes_images(self.device, missing)
        with self._memory(evaluation=True):
            self._images = {name: Images(split, self.device, resident=resident) for name, split in named.items()}
        mean, std = mean_and_std(splits.train.pixels)
        self._mean = torch.from_numpy(mean).view(1, -1, 1, 1).to(self.device)
        self._inverse_std = torch.from_numpy(1 / std).view(1, -1, 1, 1).to(self.device)
        self._one = torch.ones((), device=self.device)
        self._order_generator = torch.Generator()
        self._validation_generator = torch.Generator()
        self._noise_generator = torch.Generator(self.device)
        self._regularizers: list[Regularizer] = []
        self._strengths: Tensor | None = None
        if strengths is not None:
            self._regularizers, self._strengths = strengths.build(self.device, 255.0 * self._inverse_std)
        # A recorded step would not repeat what a user's network or regulariser does on the host. And each run needs a
        # new network of a user's factory, to which a user's regulariser is attached.
        self._all_ours = isinstance(settings.network, str) and all(
            type(regularizer) in REGULARIZERS.values() for regularizer in self._regularizers
        )
        wanted = self._all_ours and resident and graphs_are_wanted(self.device)
        generators = [self._noise_generator, *(regularizer.generator for regularizer in self._regularizers)]
        self._recorded = Recorded(self._step, generators) if wanted else None
        self.initialise(0)
        if not isinstance(settings.network, str):
            features.check_logits(self.network, splits.image_shape, len(splits.classes))

    @hardware.training_modes()
    def initialise(self, seed: int) -> None:
        """Start afresh from `seed`: new weights, a new optimiser, reseeded generators."""
        sequence = np.random.SeedSequence(seed)
        weights, order, noise, validation = (int(s) for s in sequence.generate_state(4, np.uint32))
        network = build_network(self.settings.factory, self.splits, weights)
        if hasattr(self, "network") and self._all_ours:
            # In place: a recorded step goes on using the tensors that it was recorded with.
            self.network.load_state_dict(network.state_dict())
            optimizers.rewind(self._optimizer)
        else:
            self._take(network)
        self._order_generator.manual_seed(order)
        self._noise_generator.manual_seed(noise)
        self._validation_generator.manual_seed(validation)
        self._queue = torch.empty(0, dtype=torch.int64)  # what is left of the epoch that train_batches is in
        for regularizer in self._regularizers:
            regularizer.generator.manual_seed(seed_of(regularizer.name, seed))
        if self._strengths is not None:
            self._strengths.zero_()

    def _take(self, network: nn.Module) -> None:
        """Train `network` from now on: give it an optimiser, a generator and the regularisers."""
        if network is getattr(self, "network", None):
            raise UsageError("network: the factory returned the same module twice; let it build a new one each time")
        self.network = network.to(self.device)
        onednn.lay_out(self.network, cpu_bf16=self.bf16 and self.device.type == "cpu")
        draw_noise_from(self.network, self._noise_generator)
        settings = self.settings
        capturable = self._recorded is not None and self.device.type == "cuda"
        self._optimizer = optimizers.build(
            settings.optimizer, self.network, settings.learning_rate, capturable=capturable
        )
        # A frozen weight does not decay, as in AdamW.
        self._decaying = [
            weight for weight in self.network.parameters() if weight.requires_grad and getattr(weight, "decays", True)
        ]
        if self._strengths is not None and isinstance(settings.network, str):
            for layer in self.network.modules():
                if isinstance(layer, Dropout):
                    layer.rate = 0.0
        for regularizer in self._regularizers:
            regularizer.attach(self.network)

    def set_strengths(self, strengths: NDArray[np.float32]) -> None:
        """Train under these strengths, float32 (h,), in the order of the regularisers, from now on."""
        assert self._strengths is not None
        self._strengths.copy_(torch.from_numpy(strengths), non_blocking=True)

    def all_images(self) -> NDArray[np.int64]:
        """The indices of every training image."""
        return np.arange(len(self.splits.train))

    @hardware.training_modes()
    def train_epochs(self, subset: NDArray[np.int64], epochs: int) -> None:
        """Train on the training images at `subset`, each once an epoch, in an order drawn anew.

        Args:
            subset: int64, (n,), indices into the training split; empty trains nothing.
            epochs: how many times.
        """
        indices = torch.from_numpy(np.ascontiguousarray(subset))
        self.network.train()
        if not len(indices):
            return
        for _ in range(epochs):
            order = torch.randperm(len(indices), generator=self._order_generator)
            with self._memory(), self._global_generators_ours(self._order_generator):
                self._steps(indices[order].split(self.settings.batch_size))

    @hardware.training_modes()
    def train_steps(self, subset: NDArray[np.int64], steps: int) -> None:
        """Train `steps` mini-batches of `batch_size` images at `subset`: as many whatever the size of the subset.

        The images come in epochs, each in an order drawn anew; a batch at an epoch's end is filled up from the next.

        Args:
            subset: int64, (n,), indices into the training split; empty trains nothing.
            steps: gradient steps.
        """
        indices = torch.from_numpy(np.ascontiguousarray(subset))
        self.network.train()
        if not (len(indices) and steps):
            return
        size = self.settings.batch_size
        batches = indices[_in_epochs(len(indices), steps * size, self._order_generator)].split(size)
        with self._memory(), self._global_generators_ours(self._order_generator):
            self._steps(batches)

    def _steps(self, batches: Iterable[Tensor]) -> list[Tensor]:
        """A gradient step on each batch of indices; on CUDA those of full size are replayed from a recording."""
        if self._recorded is None:
            return [self._step(batch) for batch in batches]
        whole = self.settings.batch_size
        on_device = [batch.to(self.device, non_blocking=True) for batch in batches]
        return [(self._recorded if len(batch) == whole else self._step)(batch) for batch in on_device]

    def _step(self, batch: Tensor) -> Tensor:
        """One gradient step on the cross-entropy (Eq. 5 of RLPS), regularised.

        Returns:
            float32, (1 + B,): the cross-entropy before any penalty, and the predictions.
        """
        size = len(batch)
        if size == 1:
            # Batch norm needs two images to train on; the mean loss of an image twice is the image's loss.
            batch = batch.repeat(2)
        pixels = self.settings.augment(self._images["train"].pixels(batch), self._noise_generator)
        images = self._standardise(pixels)
        labels = self._images["train"].labels(batch)
        targets: Targets = [(self._one, labels)]
        for regularizer in self._regularizers:
            images, targets = changed_batch(regularizer, images, targets)
        self._optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            logits = self.network(images)
        if not self._all_ours:
            features.check_shape(self.network, logits, len(images), len(self.splits.classes))
        logits = logits.float()
        loss = _cross_entropy(logits, targets)
        objective = loss
        for regularizer in self._regularizers:
            objective = changed_objective(regularizer, objective, logits)
        objective.backward()
        with torch.no_grad():
            for regularizer in self._regularizers:
                regularizer.update(self._decaying, self.settings.learning_rate)
        self._optimizer.step()
        return _rows(loss.detach()[None], logits.detach()[None, :size])[0]

    # -- mini-batches ------------------------------------------------------------------------------------------------

    @hardware.training_modes()
    def train_batches(self, count: int) -> Pending:
        """Train on the next `count` mini-batches of `batch_size` images under the strengths as they are.

        The training images come in epochs, each in an order drawn anew; a batch at an epoch's end is filled up
        from the next epoch, so that all have the same size.
        """
        indices = self._next_batches(count)
        self.network.train()
        with self._memory(), self._global_generators_ours(self._order_generator):
            outputs = self._steps(indices)
        return Pending(torch.stack(outputs), indices, "train")

    def _next_batches(self, count: int) -> Tensor:
        size = self.settings.batch_size
        images = len(self.splits.train)
        epochs = max(0, -(-(count * size - len(self._queue)) // images))
        orders = [torch.randperm(images, generator=self._order_generator) for _ in range(epochs)]
        self._queue = torch.cat([self._queue, *orders])
        indices, self._queue = self._queue[: count * size], self._queue[count * size :].clone()
        return indices.view(count, size)

    def validate_batches(self, count: int) -> Pending:
        """Score `count` mini-batches of the validation split, drawn without replacement while it lasts."""
        size = self.settings.batch_size
        drawn = _in_epochs(len(self.splits.val), count * size, self._validation_generator)
        return self._score(drawn.view(count, size), "val")

    def validate_split(self) -> Pending:
        """Score the whole validation split once, as one mini-batch."""
        return self._score(torch.arange(len(self.splits.val))[None], "val")

    def score_again(self, trained: Pending) -> Pending:
        """Score the batches that were trained on once more, in evaluation mode, by the network as it is now."""
        return self._score(trained.indices, trained.split)

    @hardware.training_modes()
    def _score(self, indices: Tensor, split: str) -> Pending:
        """Score mini-batches, (n, B), in one pass: in evaluation mode an image's logits do not depend on its batch."""
        logits = self._logits(split, indices.flatten()).view(*indices.shape, -1)
        labels = self._images[split].labels(indices.flatten()).view(indices.shape)
        losses = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none").mean(dim=1)
        return Pending(_rows(losses, logits), indices, split)

    def read(self, *pending: Pending) -> list[Batches]:
        """Copy the outputs of batches from the device to the host, all in one transfer."""
        outputs = torch.cat([part.outputs.flatten() for part in pending]).cpu().numpy()
        batches, start = [], 0
        for part in pending:
            rows = outputs[start : start + part.outputs.numel()].reshape(part.outputs.shape)
            start += rows.size
            labels = getattr(self.splits, part.split).labels[part.indices.numpy()]
            batches.append(Batches(rows[:, 0].copy(), labels, rows[:, 1:].astype(np.int64), len(self.splits.classes)))
        return batches

    # -- whole splits ------------------------------------------------------------------------------------------------

    def outputs(self, split: str) -> Outputs:
        """Features and class probabilities of every image of "train", "val" or "test", in one pass."""
        everything = torch.arange(len(self._images[split]))
        hidden, logits = self._evaluation_pass(split, everything, features.extractor(self.network))
        # A diverged network knows nothing: uniform probabilities, features of zero.
        logits = torch.where(logits.isfinite().all(dim=1, keepdim=True), logits, 0.0)
        hidden = hidden.nan_to_num_(0.0, 0.0, 0.0)
        return Outputs(hidden.cpu().numpy(), logits.softmax(dim=1).cpu().numpy())

    def images(self, split: str, indices: NDArray[np.int64]) -> Tensor:
        """Some images as the network sees them: float32, (n, C, H, W), on the device."""
        return self._standardise(self._images[split].pixels(torch.from_numpy(indices)))

    def predictions(self, split: str) -> NDArray[np.int64]:
        """The classes that the network predicts for every image of "train", "val" or "test": (N,)."""
        classes: NDArray[np.int64] = (
            self._logits(split, torch.arange(len(self._images[split]))).argmax(dim=1).cpu().numpy()
        )
        return classes

    def confusion(self, split: str, labels: str = "labels") -> NDArray[np.int64]:
        """The confusion matrix (C, C) of "train", "val" or "test" against its "labels" or its "clean_labels"."""
        truth: NDArray[np.int64] = getattr(getattr(self.splits, split), labels)
        return confusion_matrix(truth, self.predictions(split), len(self.splits.classes))

    def evaluate(self, split: str) -> dict[str, float]:
        """The `scores` of a whole split, in evaluation mode."""
        return scores(self.confusion(split))

    def _logits(self, split: str, indices: Tensor) -> Tensor:
        """float32 (N, C): the logits of a split's images at `indices`, (N,), in evaluation mode."""
        (logits,) = self._evaluation_pass(split, indices, lambda images: (self.network(images),))
        return logits

    @hardware.training_modes()
    def _evaluation_pass(
        self, split: str, indices: Tensor, forward: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> list[Tensor]:
        """What `forward` returns for a split's images at `indices`, (N,), in that order, each float32 (N, ...).

        The results go into preallocated tensors: small ones between freed large ones would fragment the memory.
        """
        images = self._images[split]
        self.network.eval()
        whole: list[Tensor] = []
        with self._memory(evaluation=True), torch.no_grad(), self._autocast(), self._global_generators_ours():
            start = 0
            for batch in indices.split(self._evaluation_batch()):
                parts = forward(self._standardise(images.pixels(batch)))
                whole = whole or [
                    part.new_empty((len(indices), *part.shape[1:]), dtype=torch.float32) for part in parts
                ]
                for all_of_them, part in zip(whole, parts, strict=True):
                    all_of_them[start : start + len(batch)] = part
                start += len(batch)
        return whole

    def _evaluation_batch(self) -> int:
        """How many images are evaluated at once."""
        _, height, width = self.splits.image_shape
        return max(1, _EVALUATION_PIXELS[self.device.type] // (height * width))

    def _memory(self, *, evaluation: bool = False) -> AbstractContextManager[None]:
        return hardware.out_of_memory_explained(self.device, None if evaluation else self.settings.batch_size)

    def _global_generators_ours(self, generator: torch.Generator | None = None) -> AbstractContextManager[None]:
        """A user's network may draw from the global generators as it runs: seed them, and put them back."""
        if isinstance(self.settings.network, str):
            return nullcontext()  # the networks of this package draw from the trainer's generators only
        seed = 0 if generator is None else int(torch.randint(2**32, (), generator=generator))
        return global_generators_restored(seed)

    def _standardise(self, pixels: Tensor) -> Tensor:
        """uint8 (B, C, H, W) to float32 of the training images' mean 0 and standard deviation 1 per channel."""
        x = pixels.to(torch.float32, memory_format=torch.channels_last)
        return x.sub_(self._mean).mul_(self._inverse_std)

    def _autocast(self) -> torch.autocast:
        # No cache: PyTorch drops its cached casts of the weights only when the outermost autocast block ends, which may
        # be the caller's. Until then every step would use the weights of the first.
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16, cache_enabled=False)

    @hardware.training_modes()
    def state_dict(self) -> dict[str, Any]:
        """The whole state, copied: network, optimiser, strengths and generators."""
        return {
            "network": optimizers.copied(self.network.state_dict()),
            "optimizer": optimizers.state_dict(self._optimizer),
            "strengths": optimizers.copied(self._strengths),
            **self.generators(),
        }

    def generators(self) -> dict[str, Any]:
        """The part of the state that decides later draws: the generators, and the rest of the epoch."""
        return {
            "order_generator": self._order_generator.get_state(),
            "noise_generator": self._noise_generator.get_state(),
            "validation_generator": self._validation_generator.get_state(),
            "regularizer_generators": [regularizer.generator.get_state() for regularizer in self._regularizers],
            "queue": self._queue.clone(),
        }

    def check_state(self, state: Any, part: str) -> None:
        """See that `load_state_dict` would take a state.

        Args:
            state: what `state_dict` has returned.
            part: what the error calls it, such as "trainer".

        Raises:
            UsageError: if it would not; the message names the part that is missing or does not fit.
        """
        states.check_keys(part, state, ("network", "optimizer", "strengths", *self.generators()))
        weights = self.network.state_dict()
        states.check_keys(f"{part}.network", state["network"], weights)
        for name, ours in weights.items():
            if isinstance(ours, Tensor):  # else it is what a user's module keeps beside its tensors
                states.check_like(f"{part}.network.{name}", state["network"][name], ours)
        optimizers.check(f"{part}.optimizer", state["optimizer"], self._optimizer)
        states.check_like(f"{part}.strengths", state["strengths"], self._strengths)
        for name in ("order_generator", "noise_generator", "validation_generator"):
            states.check_generator(f"{part}.{name}", state[name], getattr(self, f"_{name}"))
        generators = [regularizer.generator for regularizer in self._regularizers]
        theirs, name = state["regularizer_generators"], f"{part}.regularizer_generators"
        states.check_like(name, theirs, [generator.get_state() for generator in generators])
        for place, generator in enumerate(generators):
            states.check_generator(f"{name}[{place}]", theirs[place], generator)
        states.check_indices(f"{part}.queue", state["queue"], len(self.splits.train))

    @hardware.training_modes()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`: the training gives the same bits as that of the trainer it came from.

        Raises:
            UsageError: as `check_state`; the trainer is then as it was.
        """
        self.check_state(state, "trainer")
        self.network.load_state_dict(state["network"])
        optimizers.load(self._optimizer, state["optimizer"], in_place=self._recorded is not None)
        self._order_generator.set_state(state["order_generator"])
        self._noise_generator.set_state(state["noise_generator"])
        self._validation_generator.set_state(state["validation_generator"])
        for regularizer, generator in zip(self._regularizers, state["regularizer_generators"], strict=True):
            regularizer.generator.set_state(generator)
        self._queue = state["queue"].clone()
        if self._strengths is not None:
            self._strengths.copy_(state["strengths"])


def _in_epochs(images: int, count: int, generator: torch.Generator) -> Tensor:
    """int64 (count,): indices below `images`, in epochs, each in an order drawn anew; the last epoch may be cut."""
    epochs = -(-count // images)
    return torch.cat([torch.randperm(images, generator=generator) for _ in range(epochs)])[:count]


def _cross_entropy(logits: Tensor, targets: Targets) -> Tensor:
    """The weighted sum of the cross-entropies on the targets, 0-dimensional."""
    if len(targets) == 1:
        return F.cross_entropy(logits, targets[0][1])
    return torch.stack([weight * F.cross_entropy(logits, labels) for weight, labels in targets]).sum()


def _rows(losses: Tensor, logits: Tensor) -> Tensor:
    """Losses (n,) and logits (n, B, C) of mini-batches to float32 (n, 1 + B): the loss, then the predictions."""
    return torch.cat([losses[:, None], logits.argmax(dim=2).float()], dim=1)
