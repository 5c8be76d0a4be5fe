"""RegTune-v0 for K children at once."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from fer_gym.checks import check_choice, check_count
from fer_gym.envs.reg_tune.env import RegTuneEnv
from fer_gym.envs.spec import Described
from fer_gym.errors import UsageError
from fer_gym.training import hardware, states

# Each has a network and an optimiser of its own.
_MOST_CHILDREN = 4096


class RegTuneVectorEnv(Described, SyncVectorEnv):
    """K children of one data set, each with its own seed and generators: `gym.make_vec("RegTune-v0", num_envs=K)`.

    Child k is bit for bit the scalar environment; `reset(seed=s)` gives it the seed s + k. The images are loaded once.
    Each child draws its own instance. On the CPU the children train one after the other: each of them uses all cores.
    On CUDA each trains on a stream of its own, and none waits for another.

    Args:
        num_envs: K.
        autoreset_mode: Gymnasium's; by default the step after a child's last one resets that child.
        keywords: of `RegTuneEnv`, the same for every child.

    Raises:
        ValueError: as `RegTuneEnv`, and if `num_envs` is not 1 to 4,096, or there is no such `autoreset_mode`. If the
            action of one child is not allowed, no child is touched.
    """

    envs: list[RegTuneEnv]  # type: ignore[assignment]

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        dataset: Any = "synthetic",
        root: str | None = None,
        limit: int | None = None,
        noise: Any = None,
        data_seed: int = 0,
        **keywords: Any,
    ) -> None:
        check_count("num_envs", num_envs, least=1, most=_MOST_CHILDREN)
        modes = [mode.value for mode in AutoresetMode]
        check_choice("autoreset_mode", autoreset_mode, (*AutoresetMode, *modes))
        first = RegTuneEnv(dataset, root, limit, noise, data_seed, **keywords)
        if keywords.get("instances") is not None:
            keywords = {**keywords, "instances": first.instances}
        child = functools.partial(RegTuneEnv, dataset=first.splits, **keywords)
        super().__init__(
            [functools.partial(_itself, first), *[child] * (int(num_envs) - 1)], autoreset_mode=autoreset_mode
        )

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Build new children, all of them or those of the option `reset_mask`, as `RegTuneEnv.reset`."""
        own = {name: value for name, value in (options or {}).items() if name != "reset_mask"}
        begun = np.broadcast_to((options or {}).get("reset_mask", True), self.num_envs)
        for child, begins in zip(self.envs, begun, strict=True):
            if begins:
                child.give_up(own)  # if this is interrupted, no child goes on with the episode before
        return super().reset(seed=seed, options=options)

    def step(self, actions: NDArray[np.float32]) -> Any:
        """Train each child's next chunk under its row of `actions`, float32 (K, h).

        Raises:
            gymnasium.error.ResetNeeded: if a child has no episode; no child is then touched.
        """
        if np.shape(actions) != self.action_space.shape:
            raise UsageError(f"actions: shape {np.shape(actions)} is not allowed; use {self.action_space.shape}")
        for child, action in zip(self.envs, actions, strict=True):
            child.checked(action)
        # In "NextStep" mode a child whose episode is over is reset instead.
        resets = self._autoreset_envs & (self.autoreset_mode is AutoresetMode.NEXT_STEP)
        waiting = [k for k, child in enumerate(self.envs) if child.needs_reset and not resets[k]]
        if waiting:
            raise ResetNeeded(f"no episode of child {', '.join(map(str, waiting))}: call reset() with its reset_mask")
        ongoing = zip(self.envs, actions, resets, strict=True)
        works = [functools.partial(child.launch, action) for child, action, over in ongoing if not over]
        hardware.side_by_side(works, hardware.resolve_device(self.envs[0].settings.device))
        return super().step(actions)

    def evaluate(self, split: str) -> list[dict[str, float]]:
        """The scores of each child on "val" or "test", as `RegTuneEnv.evaluate`."""
        return [child.evaluate(split) for child in self.envs]

    def made_for(self) -> dict[str, Any]:
        """As the scalar environment's, and the number of children."""
        return {**self.envs[0].made_for(), "num_envs": self.num_envs}

    def state_dict(self) -> dict[str, Any]:
        """The whole state of every child, which `copy.deepcopy` copies."""
        return {
            **states.header(self.made_for()),
            "children": [child.state_dict() for child in self.envs],
            "over": self._autoreset_envs.copy(),
            "observations": copy.deepcopy(self._env_obs),  # a masked reset returns the other children's
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`, of any environment with the same keywords: the future is the same, bit for bit.

        Raises:
            ValueError: if a part is missing, does not fit, or is of other data or settings; the message names the part.
                Every child is then as it was.
        """
        states.check_header(state, self.made_for())
        states.check_keys("", state, ("format", "made_for", "children", "over", "observations"))
        if not isinstance(state["children"], list) or len(state["children"]) != self.num_envs:
            states.refuse("children", f"is no list of {self.num_envs}")
        for k, (child, of_child) in enumerate(zip(self.envs, state["children"], strict=True)):
            try:
                child.check_state(of_child)
            except UsageError as error:
                raise UsageError(f"state: 'children[{k}]': {error}") from error
        states.check_like("over", state["over"], self._autoreset_envs)
        observations = [np.empty(child.observation_space.shape, np.float32) for child in self.envs]
        states.check_like("observations", state["observations"], observations)
        for child, of_child in zip(self.envs, state["children"], strict=True):
            child.load_state_dict(of_child)
        self._autoreset_envs = state["over"].copy()
        self._env_obs = copy.deepcopy(state["observations"])


def _itself(env: RegTuneEnv) -> RegTuneEnv:
    """What makes the first child, which is there already; unlike a lambda it can be pickled."""
    return env
