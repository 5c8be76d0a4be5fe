"""What a record holds.

Of every trial:

| key | type | content |
| --- | --- | --- |
| `suite`, `task`, `arm`, `seed` | text, text, text, int | the trial |
| `environment` | text | the environment's id, "ImageSelect-v0" or "RegTune-v0" |
| `settings` | object | all that decides the outcome besides the seed: `env`, `agent`, `agent_settings`, the budget |
| `plan` | object | of the suite: `arms`, a list of names for each task, and `seeds` |
| `versions` | object of text | of `fer-gym`, `training` (its code's number), `commit`, `torch`, `gymnasium`, `numpy` |
| `machine` | object | `processor`, `device` and `precision` (text), `threads` (int) |
| `data` | text | the fingerprint of the data, `Splits.fingerprint` |
| `seconds` | float | what the trial took |
| `episodes` | list of objects | a row for each episode that the agent learnt from |
| `scores` | object | what the trial is measured by |
| `arrays` | object of NumPy arrays | below; in the JSON file their names, in the NumPy file beside it the arrays |

A text is "unknown" where the fact is not known: a `commit` outside a clone, or what was not noted then.

Of ImageSelect-v0 also `confusion` (`classes`, and `counts` of the test images) and `removal` (a row for each removal
share, mostly none). The arrays have an entry for each of the N training images, in the order of the training split:

| array | dtype | content |
| --- | --- | --- |
| `retained` | bool | whether the image was retained when the agent had learnt |
| `keep_probability` | float32 | the agent's probability of retaining it, 16 significant bits |
| `image_score` | float32 | what the agent ranks the images by, 16 significant bits; only where the agent has scores |
| `sample_reward` | float16, float32 if too large | the delayed reward of that walk, 6 significant bits |
| `predicted` | uint8, uint16 above 256 classes | the class that the environment's network predicts |
| `predicted_percent` | uint8 | the probability of that class in percent |

Of RegTune-v0 also `children`, a row for each of the K fresh children; the first has `confusion` and `looked_at`
(the images of the Grad-CAM maps, by their indices in the training split). The arrays are of K
children, E episodes, T chunks and h strengths; NaN stands where a child ended early:

| array | shape and dtype | content |
| --- | --- | --- |
| `child_train_losses`, `child_val_losses` | (K, T) float32 | of each chunk |
| `child_schedule` | (K, T, h) float32 | the strengths, which replay to the same child |
| `episode_train_losses`, `episode_val_losses` | (E, T) float16 | of each chunk |
| `episode_schedule` | (E, T, h) float16 | the strengths |
| `grad_cam` | (images, h, w) float16 | the maps of the first child, from 0 to 1 |

Numbers in `episodes` and `children` have eight significant digits. `saved_agent` (`class`, `file`) is there where the
agent's file is.
"""

from __future__ import annotations

from typing import Any

from fer_gym.errors import UsageError

#: Raised when the schema changes; records of another format are not mixed with these.
FORMAT = 3

#: JSON values, and NumPy arrays under "arrays".
Record = dict[str, Any]

_FIELDS: dict[str, type] = {
    "suite": str,
    "task": str,
    "environment": str,
    "arm": str,
    "seed": int,
    "settings": dict,
    "plan": dict,
    "versions": dict,
    "machine": dict,
    "data": str,
    "seconds": float,
    "episodes": list,
    "scores": dict,
    "arrays": dict,
}
# JSON may nest deeper than Python recurses, and have whole numbers that no array holds.
_MOST_DEEP = 32
_LARGEST = 2**63
_PARTS = {
    "settings": ("env", "agent", "agent_settings"),
    "plan": ("arms", "seeds"),
    "versions": ("fer-gym", "training", "commit", "torch", "gymnasium", "numpy"),
    "machine": ("processor", "device", "precision", "threads"),
}


class OtherFormatError(UsageError):
    """A record, but one that another version of the package wrote."""


class NotARecordError(UsageError):
    """A file in a record's place that is none: half written, without its arrays, or somebody else's."""


def fault(record: Record) -> str | None:
    """What a record lacks, or has that a report cannot show, in words; None if nothing."""
    if wrong := _not_plain({name: value for name, value in record.items() if name != "arrays"}):
        return wrong
    for name, kind in _FIELDS.items():
        if type(record.get(name)) is not kind:
            return f"{name!r} is missing or no {kind.__name__}"
    for name, parts in _PARTS.items():
        for part in parts:
            if part not in record[name]:
                return f"{name!r} has no {part!r}"
    arms, seeds = record["plan"]["arms"], record["plan"]["seeds"]
    if type(arms) is not dict or any(not _are(names, str) for names in arms.values()):
        return "'plan' has no 'arms' that are lists of names"
    if not _are(seeds, int):
        return "'plan' has no 'seeds' that are whole numbers"
    if type(record["settings"]["env"]) is not dict:
        return "'settings' has no 'env' that is a dict"
    if any(type(row) is not dict for row in record["episodes"]):
        return "'episodes' has a row that is no dict"
    if not _are_numbers(record["scores"]):
        return "'scores' has a value that is no number"
    return None


def _not_plain(value: Any, depth: int = 0) -> str | None:
    if depth > _MOST_DEEP:
        return f"it nests deeper than {_MOST_DEEP}"
    if type(value) is str and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        return f"it has text that cannot be written: {value!r}"
    if type(value) is dict:
        return _not_plain(list(value), depth) or _not_plain(list(value.values()), depth)
    if type(value) is list:
        return next(filter(None, (_not_plain(each, depth + 1) for each in value)), None)
    return None


def _are(values: Any, kind: type) -> bool:
    return type(values) is list and all(type(value) is kind for value in values)


def _are_numbers(scores: Any) -> bool:
    """Whether nested dictionaries have numbers, or None for what is not finite, and nothing else."""
    if type(scores) is dict:
        return all(map(_are_numbers, scores.values()))
    return scores is None or type(scores) is float or (type(scores) is int and -_LARGEST <= scores < _LARGEST)
