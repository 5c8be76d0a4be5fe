"""Weights & Biases, MLflow, Optuna and Hydra around a training: what they log, suggest and configure."""

import tempfile
from pathlib import Path

import gymnasium as gym
import hydra
import mlflow
import optuna
import wandb
from omegaconf import OmegaConf
from small import CHUNKS, IMAGE_SELECT, IMAGES, REG_TUNE
from stable_baselines3 import PPO
from wandb.integration.sb3 import WandbCallback


def image_select() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = wandb.init(mode="offline", dir=folder, project="fer-gym", sync_tensorboard=True)
        env = gym.make("fer_gym:ImageSelect-v0", **IMAGE_SELECT)
        model = PPO("MlpPolicy", env, n_steps=IMAGES, batch_size=IMAGES, tensorboard_log=f"{folder}/logs")
        model.learn(2 * IMAGES, callback=WandbCallback())
        run.finish()
        assert list(Path(folder).glob("wandb/offline-run-*/*.wandb"))


def reg_tune() -> None:
    def objective(trial: optuna.Trial) -> float:
        env = gym.make("fer_gym:RegTune-v0", **REG_TUNE)
        env.reset(seed=0)
        dropout = trial.suggest_float("dropout", 0.0, 0.9)
        with mlflow.start_run():
            mlflow.log_params(trial.params)
            for step in range(CHUNKS):
                *_, info = env.step(env.action_space.low + dropout)
                mlflow.log_metrics({key: info[key] for key in ("train_f1", "val_f1")}, step=step)
        return float(info["val_f1"])

    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        study = optuna.create_study(direction="maximize")
        study.optimize(objective, n_trials=2)
        assert len(mlflow.search_runs(search_all_experiments=True)) == 2
    assert 0 <= study.best_value <= 1


def image_select_vector() -> None:
    config = OmegaConf.create(
        {"_target_": "gymnasium.make_vec", "id": "fer_gym:ImageSelect-v0", "num_envs": 2, **IMAGE_SELECT}
    )
    envs = hydra.utils.instantiate(config)
    assert envs.reset(seed=0)[0].shape == envs.observation_space.shape


def reg_tune_vector() -> None:
    regularizers = {"dropout": [0.0, 0.9], "weight_decay": [0.0, 0.01]}
    config = OmegaConf.create(
        {
            "_target_": "gymnasium.make_vec",
            "id": "fer_gym:RegTune-v0",
            "num_envs": 2,
            "regularizers": regularizers,
            **REG_TUNE,
        }
    )
    envs = hydra.utils.instantiate(config)
    assert envs.action_space.shape == (2, 2)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())
