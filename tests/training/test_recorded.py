"""Recording a step: what CUDA would replay is the plain loop bit for bit, and stands where it was recorded.

Without a GPU the replay is played by the recorded work itself, which sees only the tensors of the recording.
"""

import copy
from typing import Any

import numpy as np
import pytest
import tiny_data
import torch
from torch import Tensor

from fer_gym.training import Dni, Strengths, Trainer, TrainerSettings, recorded, trainer
from fer_gym.training.regularizers import REGULARIZERS, Mixup

SPLITS = tiny_data.splits(30)
BOUNDS: Any = dict.fromkeys(REGULARIZERS, (0.0, 0.9))


class _PlayedGraph:
    """Runs the work again on the recording's own tensors."""

    def __init__(self, owner: recorded.Recorded) -> None:
        self.owner = owner
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        self.owner._output.copy_(self.owner._work(self.owner._batch))


def _record(self: Any, batch: Tensor) -> None:
    self._batch = batch.clone()
    self._output = torch.full((1 + len(batch),), torch.nan)
    self._graph = _PlayedGraph(self)


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "graphs_are_wanted", lambda device: True)
    monkeypatch.setattr(trainer.hardware, "takes_images", lambda device, size: True)
    monkeypatch.setattr(recorded.Recorded, "_record", _record)


def build(network: Any = "small", bounds: Any = BOUNDS, optimizer: str = "adam") -> Trainer:
    settings = TrainerSettings(network, batch_size=8, optimizer=optimizer, precision="fp32", device="cpu")
    return Trainer(SPLITS, settings, None if bounds is None else Strengths(bounds))


def run(made: Trainer, seed: int = 0, steps: int = 5) -> list[np.ndarray]:
    """Losses and predictions of two chunks, and the weights after them."""
    made.initialise(seed)
    seen = []
    for strength in (0.1, 0.4):
        if made._strengths is not None:
            made.set_strengths(np.full(len(made._strengths), strength, np.float32))
        train = made.train_batches(steps)
        for batches in made.read(train, made.validate_batches(2), made.score_again(train)):
            seen += [batches.losses, batches.predictions]
    return seen + [parameter.detach().numpy().copy() for parameter in made.network.parameters()]


def replays(made: Trainer) -> int:
    assert made._recorded is not None
    return made._recorded._graph.replays  # type: ignore[union-attr,attr-defined]


def addresses(made: Trainer) -> list[int]:
    """Of every tensor that a recorded step reads or writes."""
    tensors = [*made.network.parameters(), *made.network.buffers()]
    for state in made._optimizer.state.values():
        tensors += [value for value in state.values() if isinstance(value, Tensor)]
    if made._strengths is not None:
        tensors.append(made._strengths)
    return [tensor.data_ptr() for tensor in tensors]


def same(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_recorded_run_is_the_plain_one(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = run(build(optimizer=optimizer))
    monkeypatch.setattr(trainer, "graphs_are_wanted", lambda device: True)
    monkeypatch.setattr(trainer.hardware, "takes_images", lambda device, size: True)
    monkeypatch.setattr(recorded.Recorded, "_record", _record)
    made = build(optimizer=optimizer)
    assert same(run(made), plain)
    assert replays(made) == 10 - 3  # the first three steps are not recorded


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_new_child_is_trained_by_the_same_recording(optimizer: str, recording: None) -> None:
    made = build(optimizer=optimizer)
    first = run(made, seed=1)
    graph, places = made._recorded._graph, addresses(made)  # type: ignore[union-attr]
    assert not same(run(made, seed=2), first)
    assert same(run(made, seed=1), first)
    assert addresses(made) == places
    assert made._recorded._graph is graph  # type: ignore[union-attr]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_state_is_put_back_where_it_was_recorded(optimizer: str, recording: None) -> None:
    made = build(optimizer=optimizer)
    made.initialise(0)
    beginning = copy.deepcopy(made.state_dict())
    run(made)
    state, places = copy.deepcopy(made.state_dict()), addresses(made)
    future = made.read(made.train_batches(4))[0].losses
    for start in (beginning, state):  # the beginning has no state of an optimiser
        made.load_state_dict(start)
        assert addresses(made) == places
    assert np.array_equal(made.read(made.train_batches(4))[0].losses, future)


def test_the_state_loaded_is_not_moved(recording: None) -> None:
    made = build()
    run(made)
    state = made.state_dict()
    kept = copy.deepcopy(state)
    made.load_state_dict(state)
    made.train_batches(4)
    for parameter, values in state["optimizer"]["state"].items():
        for name, value in values.items():
            assert torch.equal(value, kept["optimizer"]["state"][parameter][name])


def test_batches_that_an_epoch_cuts_short_are_not_recorded(recording: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made = build(bounds=None)
    made.train_epochs(np.arange(30), 2)  # three batches of 8 and one of 6, twice
    assert replays(made) == 6 - 3
    monkeypatch.undo()
    plain = build(bounds=None)
    plain.train_epochs(np.arange(30), 2)
    pairs = zip(made.network.parameters(), plain.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_trainers_of_one_split_share_the_images_on_the_device(recording: None) -> None:
    some, other = build(), build()
    assert some._images["train"]._pixels is other._images["train"]._pixels


def test_what_runs_on_the_host_is_not_recorded(recording: None) -> None:
    class Mine(Mixup):
        name = "mine"

    assert build()._recorded is not None
    assert build(bounds={Mine(): (0.0, 0.5)})._recorded is None
    assert build(network=Dni("small"))._recorded is None


def test_only_cuda_records_and_a_variable_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [recorded.graphs_are_wanted(device) for device in (cpu, cuda)] == [False, True]
    monkeypatch.setenv("FER_GYM_CUDA_GRAPHS", "0")
    assert not recorded.graphs_are_wanted(cuda)
