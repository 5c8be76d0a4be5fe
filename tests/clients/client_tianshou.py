"""Tianshou: PPO on a walk and on a run, collected from its own vector environments."""

import gymnasium as gym
import torch
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE, before_and_after_training
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, CollectStats, VectorReplayBuffer
from tianshou.env import DummyVectorEnv, ShmemVectorEnv, SubprocVectorEnv
from tianshou.trainer import OnPolicyTrainerParams
from tianshou.utils.net.common import Net
from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic
from tianshou.utils.net.discrete import DiscreteActor, DiscreteCritic

import fer_gym  # noqa: F401 (registers the environments)


def _select() -> gym.Env:
    return gym.make("ImageSelect-v0", **IMAGE_SELECT)


def _tune() -> gym.Env:
    return gym.make("RegTune-v0", **REG_TUNE)


def _discrete(envs) -> PPO:
    net = Net(state_shape=envs.observation_space[0].shape, hidden_sizes=[16])
    actor = DiscreteActor(preprocess_net=net, action_shape=2)
    policy = ProbabilisticActorPolicy(
        actor=actor, dist_fn=torch.distributions.Categorical, action_space=envs.action_space[0], action_scaling=False
    )
    return PPO(policy=policy, critic=DiscreteCritic(preprocess_net=net), optim=AdamOptimizerFactory(lr=1e-3))


def _continuous(envs) -> PPO:
    shape, action_shape = envs.observation_space[0].shape, envs.action_space[0].shape
    actor = ContinuousActorProbabilistic(
        preprocess_net=Net(state_shape=shape, hidden_sizes=[16]), action_shape=action_shape, unbounded=True
    )
    policy = ProbabilisticActorPolicy(actor=actor, dist_fn=_normal, action_space=envs.action_space[0])
    critic = ContinuousCritic(preprocess_net=Net(state_shape=shape, hidden_sizes=[16]))
    return PPO(policy=policy, critic=critic, optim=AdamOptimizerFactory(lr=1e-3))


def _normal(parameters):
    return torch.distributions.Independent(torch.distributions.Normal(*parameters), 1)


def _train(envs, algorithm: PPO, steps: int) -> None:
    collector = Collector[CollectStats](algorithm, envs, VectorReplayBuffer(2 * steps, len(envs)))
    result = algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=collector,
            max_epochs=1,
            epoch_num_steps=steps,
            update_step_num_repetitions=1,
            batch_size=32,
            collection_step_num_env_steps=steps,
        )
    )
    assert result.train_step >= steps
    assert result.update_step
    envs.close()


def image_select() -> None:
    envs = DummyVectorEnv([_select])
    _train(envs, _discrete(envs), 2 * IMAGES)


def image_select_vector() -> None:
    envs = DummyVectorEnv([_select, _select])
    _train(envs, _discrete(envs), 2 * IMAGES)


def reg_tune() -> None:
    envs = DummyVectorEnv([_tune])
    _train(envs, _continuous(envs), 4 * CHUNKS)


def reg_tune_vector() -> None:
    envs = DummyVectorEnv([_tune, _tune])
    _train(envs, _continuous(envs), 4 * CHUNKS)


def workers() -> None:
    for _ in before_and_after_training():
        for context in ("fork", "spawn"):
            envs = SubprocVectorEnv([_tune, _tune], context=context)
            _train(envs, _continuous(envs), 2 * CHUNKS)
        envs = ShmemVectorEnv([_tune, _tune])
        _train(envs, _continuous(envs), 2 * CHUNKS)
