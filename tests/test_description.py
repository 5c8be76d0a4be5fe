import dataclasses
import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_data

from fer_gym.description import description, in_words
from fer_gym.training import Dni


def own_reward(chunk: object) -> float:
    return 0.0


@dataclasses.dataclass(frozen=True)
class Nested:
    network: Dni
    sizes: tuple[int, ...]


class Regulariser:
    def __init__(self) -> None:
        self.rate, self.network, self._hidden = 0.5, object(), 1


@pytest.mark.parametrize(
    ("value", "wanted", "words"),
    [
        (None, None, "None"),
        (True, True, "True"),
        ("fer2013", "fer2013", "'fer2013'"),
        (np.float32(0.5), 0.5, "0.5"),
        (np.array([1, 2]), [1, 2], "[1, 2]"),
        (float("inf"), "inf", "'inf'"),
        (np.array([np.nan, -np.inf]), ["nan", "-inf"], "['nan', '-inf']"),
        (("symmetric", 0.2), ["symmetric", 0.2], "['symmetric', 0.2]"),
        ({"dropout": (0.0, 0.8)}, {"dropout": [0.0, 0.8]}, "{'dropout': [0.0, 0.8]}"),
        (Path("a/b"), "a/b", "'a/b'"),
        (
            Dni("small"),
            {"class": "fer_gym.training.feature_noise:Dni", "network": "small", "per_channel": False},
            "Dni(network='small', per_channel=False)",
        ),
        (own_reward, {"function": f"{__name__}:own_reward"}, "own_reward"),
        (Regulariser, {"class": f"{__name__}:Regulariser"}, "Regulariser()"),
        (Regulariser(), {"class": f"{__name__}:Regulariser", "rate": 0.5}, "Regulariser(rate=0.5)"),
        (
            functools.partial(own_reward, 1, scale=2),
            {"function": f"{__name__}:own_reward", "args": [1], "scale": 2},
            "own_reward(args=[1], scale=2)",
        ),
        (
            Nested(Dni("small"), (1, 2)),
            {
                "class": f"{__name__}:Nested",
                "network": {"class": "fer_gym.training.feature_noise:Dni", "network": "small", "per_channel": False},
                "sizes": [1, 2],
            },
            "Nested(network=Dni(network='small', per_channel=False), sizes=[1, 2])",
        ),
    ],
    ids=str,
)
def test_a_setting_as_a_json_value(value: object, wanted: object, words: str) -> None:
    found = description(value)
    assert found == wanted
    assert json.loads(json.dumps(found)) == found
    assert in_words(found) == words


def test_a_data_set_is_its_fingerprint() -> None:
    found = description({"dataset": tiny_data.splits(6)})
    assert found["dataset"]["fingerprint"] == tiny_data.splits(6).fingerprint()


def test_another_process_describes_the_same() -> None:
    code = f"import json, sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]; import test_description as t\n"
    code += "print(json.dumps(t.description({'reward': t.own_reward, 'own': t.Regulariser()})))"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(again) == description({"reward": own_reward, "own": Regulariser()})
