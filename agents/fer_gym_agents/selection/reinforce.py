"""REINFORCE for ImageSelect-v0 (Algorithm 1 of RLPS), on Stable-Baselines3's base class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, PyTorchObs, Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from fer_gym.checks import check_choice, check_count, check_number
from fer_gym.errors import UsageError
from fer_gym_agents.base import check_retains, episode_length
from fer_gym_agents.sb3.credit import begin_whole_walk, with_credits
from fer_gym_agents.sb3.frozen_walks import OnPolicyFrozenWalks
from fer_gym_agents.sb3.policies import LAYER_NORM_EPS, PerClass


class SelectorPolicy(BasePolicy):
    """The policy network of RLPS: five fully connected layers, ReLU, sigmoid (Eq. 1).

    Where labels are observed, the last layer has an output for each class, see `PerClass`. There is no critic: values
    are zero.

    Args:
        observation_space: a flat Box.
        action_space: `Discrete(2)`.
        lr_schedule: the learning rate as a function of the progress remaining.
        hidden: the widths of the four hidden layers.
        use_sde: as Stable-Baselines3 passes it; not supported.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        hidden: Sequence[int] = (128, 128, 64, 64),
        use_sde: bool = False,
    ) -> None:
        super().__init__(observation_space, action_space)
        assert not use_sde, "generalised state-dependent exploration is for continuous actions"
        assert isinstance(observation_space, spaces.Box)
        self.extractor = PerClass(observation_space, hidden)
        self.last = nn.Linear(self.extractor.width, max(self.extractor.classes, 1))
        nn.init.zeros_(self.last.weight)  # begin at pi(a = 1) = 1/2 everywhere
        nn.init.zeros_(self.last.bias)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=lr_schedule(1), foreach=True)

    def logits(self, observations: PyTorchObs) -> Tensor:
        """(B, ...) to (B,): the log-odds of retaining; pi(a = 1) is their sigmoid."""
        assert isinstance(observations, Tensor)
        hidden, label = self.extractor.hidden(observations.float())
        logits: Tensor = self.last(hidden)
        logits = (logits * label).sum(dim=1) if self.extractor.classes else logits[:, 0]
        return logits

    def forward(self, observations: PyTorchObs, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (B,) int64, values (B, 1) of zero, and log-probabilities (B,)."""
        logits = self.logits(observations)
        keep = torch.sigmoid(logits)
        retain = keep > 0.5 if deterministic else torch.rand_like(keep) < keep
        actions = retain.long()
        return actions, torch.zeros_like(logits)[:, None], _log_probability(logits, actions)

    def evaluate_actions(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probability of `actions` and the policy's entropy, each (B,)."""
        logits = self.logits(observations)
        return _log_probability(logits, actions.flatten()), _entropy(logits)

    def predict_values(self, observations: Tensor) -> Tensor:
        """Zeros, (B, 1): there is no critic."""
        return torch.zeros(len(observations), 1, device=observations.device)

    def sampler(self) -> Callable[[NDArray[np.float32]], NDArray[np.int64]]:
        """A function that samples actions (B,) for observations (B, ...), by the weights as they are now.

        A walk asks for one image at a time, and there PyTorch spends its time on calls: NumPy needs a quarter of it.
        """
        layers = [module for module in (*self.extractor.layers, self.last) if isinstance(module, nn.Linear)]
        weights = [(layer.weight.detach().cpu().numpy().T, layer.bias.detach().cpu().numpy()) for layer in layers]
        width, classes = self.extractor.features, self.extractor.classes

        def act(observations: NDArray[np.float32]) -> NDArray[np.int64]:
            flat: NDArray[Any] = np.array(observations, np.float32).reshape(len(observations), -1)  # a copy
            hidden, label = flat[:, :width], flat[:, width:]
            hidden -= np.add.reduce(hidden, axis=1, keepdims=True) / width
            hidden *= 1 / np.sqrt(np.einsum("bi,bi->b", hidden, hidden)[:, None] / width + LAYER_NORM_EPS)
            for position, (weight, bias) in enumerate(weights):
                if position:
                    np.maximum(hidden, 0, out=hidden)
                hidden = hidden @ weight
                hidden += bias
            logits = np.einsum("bc,bc->b", hidden, label) if classes else hidden[:, 0]
            # pi(a = 1) > u is the same as log-odds > logit(u), and never overflows. The logit is NumPy's: PyTorch would
            # wake threads for it, which wait for milliseconds until those of NumPy's products have gone to sleep.
            uniform = torch.rand(len(logits)).numpy()
            with np.errstate(divide="ignore"):  # u = 0
                actions: NDArray[np.int64] = (logits > np.log(uniform / (1 - uniform))).astype(np.int64)
            return actions

        return act

    def keep_probability(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """pi(a = 1) of each observation, float32, (B,)."""
        self.set_training_mode(False)
        tensor, _ = self.obs_to_tensor(observations)
        with torch.no_grad():
            probability: NDArray[np.float32] = torch.sigmoid(self.logits(tensor)).cpu().numpy()
        return probability

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        return self.forward(observation, deterministic)[0]


def _log_probability(logits: Tensor, actions: Tensor) -> Tensor:
    return nn.functional.logsigmoid(torch.where(actions == 1, logits, -logits))


def _entropy(logits: Tensor) -> Tensor:
    keep = torch.sigmoid(logits)
    return -(keep * nn.functional.logsigmoid(logits) + (1 - keep) * nn.functional.logsigmoid(-logits))


#: Keywords of `Reinforce` for learning from one number for a walk: one gradient step of it.
ONE_STEP_A_WALK = {"credit": "episode", "gradient": "vanilla", "ent_coef": 0.0, "n_epochs": 1, "batch_size": None}


class Reinforce(OnPolicyFrozenWalks):
    """REINFORCE with a credit for each step (Eq. 4 and 6 of RLPS).

    Each episode is walked whole, then the policy takes `n_epochs` passes of gradient ascent over it, in mini-batches,
    on the credits G_i and on its entropy H. With l_i the log-odds of retaining, the gradient in l_i is

        "vanilla":  G_i * d log pi(a_i | s_i) / d l_i + ent_coef * d H / d l_i
        "natural":  G_i * (2 a_i - 1) - ent_coef * l_i

    The second is the first divided by the policy's Fisher information pi (1 - pi), importance weights truncated at 1.
    The vanilla gradient vanishes where the policy is sure, so one early mistake stays: it ends by keeping all or
    nothing. With `credit="signed"` in the environment, G_i (2 a_i - 1) is R_i whatever a_i is, so sampling adds no
    noise, and the best policy is known: l_i = E[R_i | s_i] / ent_coef. An image whose reward is nothing but its
    `retain_cost`, R_i = -c, is still retained with probability sigmoid(-c / ent_coef), so that the selection cannot
    collapse.

    Frozen episodes, in which the network does not change, cost no gradient step of it: the policy is pretrained on
    some ("we use the fixed CNN model to pre-train the policy network") and, after each training of the network, sees
    the new features with the new rewards on `refresh_episodes` more.

    Args:
        env: an environment with actions `Discrete(2)`, `ImageSelect-v0` above all, or its id; or a `VecEnv`, such as
            `GymnasiumVecEnv` makes of several walkers. Steps in which a walker idles are not learnt from.
        policy: "SelectorPolicy" or a class of that interface.
        learning_rate: of Adam.
        n_steps: steps of a rollout; None takes the environment's `num_images`, one episode (of several walkers, the
            longest shard). If the environment has `num_images`, nothing else is allowed.
        credit: "sample" learns from `info["sample_credits"]`; "episode" gives every step the whole episode's return.
            Take `n_epochs=1` and `batch_size=None` with it: further gradient steps on the same walk are off-policy, and
            with a negative return each of them moves the policy further from the share that was kept, to all or
            nothing.
        gradient: "natural" or "vanilla", see above.
        pretrain_episodes: frozen episodes before the first one. Like those of `refresh_episodes` they are not counted
            in `total_timesteps`. (An environment that does not know `options={"freeze": True}` is not frozen.)
        refresh_episodes: frozen episodes after each one.
        n_epochs: passes over an episode.
        batch_size: steps per gradient step of the policy; None takes all of a walk.
        ent_coef: weight of the policy's entropy, in units of the credits.
        max_grad_norm: the gradient is scaled down to this norm.
        stats_window_size: as in Stable-Baselines3, like all that follow.
        tensorboard_log: folder for TensorBoard.
        policy_kwargs: keywords of the policy.
        verbose: 0, 1 or 2.
        seed: of the agent and of its environment's first reset.
        device: "auto", "cpu" or "cuda".
        _init_setup_model: whether to build the networks at once.

    Raises:
        ValueError: if `credit` or `gradient` is unknown, a number is not allowed, `n_steps` is needed and missing or no
            whole number of episodes, or the actions are not `Discrete(2)`.
    """

    policy: SelectorPolicy  # type: ignore[assignment]
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"SelectorPolicy": SelectorPolicy}

    def __init__(
        self,
        env: GymEnv | str,
        policy: str | type[SelectorPolicy] = "SelectorPolicy",
        learning_rate: float | Schedule = 1e-3,
        n_steps: int | None = None,
        credit: str = "sample",
        gradient: str = "natural",
        pretrain_episodes: int = 10,
        refresh_episodes: int = 1,
        n_epochs: int = 3,
        batch_size: int | None = 64,
        ent_coef: float = 0.04,
        max_grad_norm: float = 1.0,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        _init_setup_model: bool = True,
    ) -> None:
        check_choice("credit", credit, ("sample", "episode"))
        check_choice("gradient", gradient, ("natural", "vanilla"))
        check_count("n_epochs", n_epochs, least=1)
        if batch_size is not None:
            check_count("batch_size", batch_size, least=1)
        check_number("ent_coef", ent_coef, "[0, inf)")
        if not isinstance(env, str | None):
            check_retains(env.action_space, "Reinforce")  # Stable-Baselines3 would raise an AssertionError
        self.credit = credit
        self.gradient = gradient
        self._n_steps_given = n_steps
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        discount = 0.0 if credit == "sample" else 1.0
        super().__init__(
            policy,
            env,
            learning_rate,
            pretrain_episodes=pretrain_episodes,
            refresh_episodes=refresh_episodes,
            n_steps=n_steps or 0,
            gamma=discount,
            gae_lambda=discount,
            ent_coef=ent_coef,
            vf_coef=0.0,
            max_grad_norm=max_grad_norm,
            use_sde=False,
            sde_sample_freq=-1,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
            supported_action_spaces=(spaces.Discrete,),
        )

    def _setup_model(self) -> None:
        check_retains(self.action_space, "Reinforce")
        length = None if self.env is None else episode_length(self.env, "num_images")
        if length is not None:
            if self._n_steps_given not in (None, length):
                raise UsageError(
                    f"n_steps: {self._n_steps_given} is not allowed; use None or {length}, the whole episode"
                )
            self.n_steps = length
        if self.n_steps < 1:
            raise UsageError("n_steps: the environment has no num_images; give the steps of a rollout, at least 1")
        super()._setup_model()

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Go on in another environment of the same spaces; its episodes may be longer or shorter.

        Args:
            env: the environment.
            force_reset: begin it anew.
        """
        super().set_env(env, force_reset)
        assert self.env is not None
        length = episode_length(self.env, "num_images")
        if length is None or length == self.n_steps:
            return
        assert self.rollout_buffer_class is not None
        self.n_steps = length
        self.rollout_buffer = self.rollout_buffer_class(
            length,
            self.observation_space,
            self.action_space,
            device=self.device,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            n_envs=self.n_envs,
            **self.rollout_buffer_kwargs,
        )

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "REINFORCE",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Learn for so many steps, as every algorithm of Stable-Baselines3."""
        return super().learn(total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar)

    def _init_callback(self, callback: MaybeCallback, progress_bar: bool = False) -> BaseCallback:
        return super()._init_callback(with_credits(callback) if self.credit == "sample" else callback, progress_bar)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Walk an episode, a new one if a callback stopped the last; values and log-probabilities are not needed."""
        self.policy.set_training_mode(False)
        begin_whole_walk(self, env)
        rollout_buffer.reset()
        callback.on_rollout_start()
        act = self.policy.sampler()
        unused = torch.zeros(env.num_envs)
        for _ in range(n_rollout_steps):
            obs, starts = self._last_obs, self._last_episode_starts
            assert isinstance(obs, np.ndarray)
            assert starts is not None
            actions = act(obs)
            new_obs, rewards, dones, infos = env.step(actions)
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
                return False
            self._update_info_buffer(infos, dones)
            rollout_buffer.add(obs, actions, rewards, starts, unused, unused)
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]
        # A walker whose shard is shorter idles in the last step: without an image there is nothing to learn.
        self._counts = np.ones((n_rollout_steps, env.num_envs), dtype=bool)
        for environment, info in enumerate(infos):
            self._counts[:, environment] = info.get("valid", True)
        rollout_buffer.compute_returns_and_advantage(unused, dones)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def train(self) -> None:
        """Update the policy from the episode in the rollout buffer (Algorithm 1, line 15), then from frozen ones."""
        self._update_learning_rate(self.policy.optimizer)
        self.logger.record("rollout/keep_ratio", float(self.rollout_buffer.actions[self._counts].mean()))
        self.logger.record("rollout/mean_credit", float(self.rollout_buffer.returns[self._counts].mean()))
        super().train()

    def _update(self) -> None:
        self.logger.record("train/entropy", self._ascend())

    def _ascend(self) -> float:
        """Gradient ascent on the credits in the rollout buffer; returns the policy's mean entropy in nats."""
        policy = self.policy
        policy.set_training_mode(True)
        entropies = []
        for observations, actions, credits in self._minibatches():
            logits = policy.logits(observations)
            entropy = _entropy(logits)
            if self.gradient == "natural":
                ascent = (credits * (2 * actions - 1) - self.ent_coef * logits).detach() * logits
            else:
                ascent = credits * _log_probability(logits, actions) + self.ent_coef * entropy
            policy.optimizer.zero_grad()
            (-ascent.mean()).backward()
            nn.utils.clip_grad_norm_(policy.parameters(), self.max_grad_norm)
            policy.optimizer.step()
            entropies.append(entropy.detach())
        return float(torch.cat(entropies).mean())

    def _minibatches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Observations (B, ...), actions (B,) and credits (B,) of the steps that count, `n_epochs` times over.

        Each pass has an order of its own.
        """
        buffer, counts = self.rollout_buffer, self._counts
        observations, credits = buffer.to_torch(buffer.observations[counts]), buffer.to_torch(buffer.returns[counts])
        actions = buffer.to_torch(buffer.actions[counts].reshape(-1))
        for _ in range(self.n_epochs):
            # NumPy's generator is seeded as Stable-Baselines3's own buffer is.
            order = torch.from_numpy(np.random.permutation(len(credits)))  # noqa: NPY002
            for batch in order.to(credits.device).split(self.batch_size or len(order)):
                yield observations[batch], actions[batch], credits[batch]

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "rollout_buffer", "_counts"]
