"""Pretrained networks, in the cache folder: training one takes minutes, reading one back a moment."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import pickle
from pathlib import Path

import numpy as np
import torch

from fer_gym import files
from fer_gym.data import cache
from fer_gym.training import VERSION, Trainer, states

# Networks in the cache: enough for a benchmark of ten seeds on three tasks.
_KEPT = 32


def pretrain(trainer: Trainer, seed: int, epochs: int) -> None:
    """Bring `trainer` to the state after `epochs` epochs on every training image from `seed`.

    The state is cached by data, network, settings and seed; the bits are the same either way. The networks of
    a user's factory are not cached, since two factories may have the same name.
    """
    trainer.initialise(seed)
    if epochs == 0 or not isinstance(trainer.settings.network, str):
        trainer.train_epochs(trainer.all_images(), epochs)
        return
    path = cache.folder() / cache.PRETRAINED / f"{fingerprint(trainer)}-{seed}-{epochs}.pt"
    if path.exists():
        try:
            content = io.BytesIO(files.read_checked(path))
            trainer.load_state_dict(torch.load(content, map_location="cpu", weights_only=True))
        except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, KeyError, TypeError, ValueError) as error:
            trainer.initialise(seed)
            message = "%s: a damaged pretrained network (%s); it is trained again"
            logging.getLogger(__name__).warning(message, path, str(error).partition("\n")[0])
        else:
            with contextlib.suppress(FileNotFoundError):  # another process may have deleted it
                os.utime(path)
            return
    trainer.train_epochs(trainer.all_images(), epochs)
    try:
        _save(trainer, path)
    except OSError as error:
        # The training is done; without its copy only the next run takes longer.
        message = "the pretrained network is not cached: %s; set FER_GYM_CACHE to a folder that can be written to"
        logging.getLogger(__name__).warning(message, error)


def fingerprint(trainer: Trainer) -> str:
    """A digest of all that decides the bits of the training of a freshly initialised trainer with a named network."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (trainer.splits.train.pixels, trainer.splits.train.labels):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    digest.update(str(trainer.network).encode())
    for tensor in trainer.network.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().data)
    code = (VERSION, states.FORMAT)
    training = (code, trainer.settings, trainer.device.type, trainer.bf16, len(trainer.splits.classes))
    digest.update(repr((training, torch.get_num_threads(), torch.__version__)).encode())
    return digest.hexdigest()


def _save(trainer: Trainer, path: Path) -> None:
    """Cache a pretrained network; delete the least recently used ones beyond `_KEPT`, and what killed runs left."""
    content = io.BytesIO()
    torch.save(trainer.state_dict(), content)
    files.write_checked(path, content.getbuffer())
    files.remove_unfinished(path.parent, cache.STALE_SECONDS)
    by_use = sorted(path.parent.glob("*.pt"), key=_last_use, reverse=True)
    for old in by_use[_KEPT:]:
        old.unlink(missing_ok=True)


def _last_use(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:  # another process has deleted it
        return 0.0
