"""A suite of one's own as a file, and the program that runs it."""

import sys

#: `fer-gym`, as a process runs it.
FER_GYM = [sys.executable, "-c", "from fer_gym.cli.main import main; main()"]


def suite(*arms: tuple[str, str]) -> str:
    """A TOML suite of one small task under two seeds.

    Args:
        arms: each a name and an agent.
    """
    task = """
seeds = [0, 1]

[[tasks]]
env_id = "ImageSelect-v0"
name = "faces"
episodes = 1
retrain_epochs = 1
env = {limit = 40, pretrain_epochs = 0}
"""
    return task + "".join(f'\n[[tasks.arms]]\nname = "{name}"\nagent = "{agent}"\n' for name, agent in arms)
