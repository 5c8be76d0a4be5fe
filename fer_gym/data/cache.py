"""The decoded cache: arrays built once from a source, then memory-mapped.

An entry is a directory of `.npy` files whose name holds a digest of its source and of how it was decoded. It
is built in a temporary directory beside its place and renamed into it, so an entry is either whole or absent, after a
power cut as well. Where there is no room for it, the arrays are built in memory, and a warning says so.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_gym import files
from fer_gym.errors import DatasetError

#: Part of every key: raise it when what loaders write changes.
FORMAT = 3
#: The folder below it that pretrained networks are in.
PRETRAINED = "pretrained"
_TEMPORARY = ".building-"
#: What builders and writers left unfinished and is older than this is removed.
STALE_SECONDS = 24 * 3600.0
# Arrays of at most so many bytes, labels among them, are compared with their checksums at each use, which takes
# milliseconds.
_CHECKED_BYTES = 1 << 24
# What the system says of a disk without room.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def folder() -> Path:
    """The cache folder: `FER_GYM_CACHE`, else `fer-gym` in `XDG_CACHE_HOME` or `~/.cache`."""
    if named := os.environ.get("FER_GYM_CACHE"):
        return files.at(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fer-gym"


def file_key(path: Path) -> dict[str, Any]:
    """What identifies a file without reading it: its resolved path, size and time of change."""
    status = path.stat()
    return {"path": str(path.resolve()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def folder_key(root: Path, files: Iterable[str]) -> dict[str, Any]:
    """What identifies files of a folder without reading them: a digest over their names, sizes and times.

    Args:
        root: the folder.
        files: their paths below it.
    """
    digest = hashlib.sha256()
    for name in files:
        try:
            status = os.stat(os.path.join(root, name))  # pathlib takes a second more for FER2013's files
        except OSError as error:
            raise DatasetError(f"{root / name}: cannot be read ({error.strerror}); restore or remove it") from error
        digest.update(os.fsencode(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n"))
    return {"path": str(root.resolve()), "listing": digest.hexdigest()}


def cached(name: str, key: Mapping[str, Any], build: Callable[[Path], None]) -> dict[str, NDArray[Any]]:
    """The arrays of one cache entry, built first if it does not exist.

    Args:
        name: the data set's name, which begins the entry's.
        key: all that decides the arrays, as JSON values (`file_key`, options, seeds, ...).
        build: writes the arrays into the (empty) directory it is given, as `NAME.npy`. If it raises, nothing
            stays.

    Returns:
        NAME to array; read-only views of memory maps, or of memory if the cache folder cannot be written to.

    Raises:
        DatasetError: if an entry was damaged, or if neither the cache folder nor the folder for temporary files can be
            written to.
    """
    text = json.dumps({"loader": name, "format": FORMAT, **key}, sort_keys=True)
    entry = folder() / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    if not entry.is_dir():
        try:
            _build(entry, text, build)
        except _CannotWriteError as error:
            return _built_in_memory(build, str(error))
    try:
        names: dict[str, str] = json.loads((entry / "key.json").read_text(encoding="utf-8"))["arrays"]
        for array, digest in names.items():
            path = entry / f"{array}.npy"
            if path.stat().st_size <= _CHECKED_BYTES and files.checksum(path) != digest:
                raise ValueError(f"{path.name} does not match its checksum")
        # The view drops the memmap subclass, whose scalars and pickles surprise, and keeps the map.
        return {name: np.asarray(np.load(entry / f"{name}.npy", mmap_mode="r", allow_pickle=False)) for name in names}
    except (*files.NUMPYS_ERRORS, TypeError, AttributeError) as error:  # the last two of key.json
        raise DatasetError(f"{entry}: damaged cache entry ({error}); delete this folder, it is rebuilt") from error


def damaged() -> Iterator[Path]:
    """The files of the cache that are not what was written, or not there: arrays of data sets, pretrained networks."""
    for about in sorted(folder().glob("*/key.json")):
        try:
            arrays = json.loads(about.read_text(encoding="utf-8"))["arrays"]
            checksums = {about.with_name(f"{name}.npy"): digest for name, digest in arrays.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            yield about
            continue
        for path, digest in checksums.items():
            if not path.is_file() or files.checksum(path) != digest:
                yield path
    for path in sorted((folder() / PRETRAINED).glob("*.pt")):
        try:
            files.read_checked(path)
        except (OSError, ValueError):
            yield path


def write(path: Path, shape: tuple[int, ...], parts: Iterable[NDArray[np.uint8]]) -> None:
    """Write a .npy file, uint8 of `shape`, from its parts in order; one of them is in memory at a time."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for part in parts:
            file.write(np.ascontiguousarray(part).data)


def _is_full(error: OSError) -> bool:
    """Whether there is no room. NumPy's own errors for that have no number."""
    of_numpy = error.errno is None and any(words in str(error) for words in ("free space", "requested and"))
    return error.errno in _FULL or of_numpy


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


class _CannotWriteError(Exception):
    """There is no cache folder, or no room in it."""


def _built_in_memory(build: Callable[[Path], None], reason: str) -> dict[str, NDArray[Any]]:
    """What cannot be cached: the arrays are built in the folder for temporary files and read from there."""
    message = "the data set is not cached, and is built anew each time: %s; set FER_GYM_CACHE to another folder"
    logging.getLogger(__name__).warning(message, reason)
    try:
        with tempfile.TemporaryDirectory(prefix="fer-gym-") as directory:
            build(Path(directory))
            arrays = {path.stem: np.load(path, allow_pickle=False) for path in Path(directory).glob("*.npy")}
    except OSError as error:
        if not _is_full(error):
            raise
        raise DatasetError(
            f"{reason}, nor to {tempfile.gettempdir()} ({_reason(error)}); set FER_GYM_CACHE to a folder with room"
        ) from error
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _build(entry: Path, key: str, build: Callable[[Path], None]) -> None:
    """Build `entry` in a temporary sibling and rename it; if another process was first, use its entry.

    Raises:
        _CannotWriteError: if the folder cannot be written to, or is full.
    """
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(entry.parent)
        # Not by `tempfile`, whose folders nobody else may read: here the umask decides who shares the cache.
        temporary = entry.parent / f"{_TEMPORARY}{_place()}-{os.getpid()}-{secrets.token_hex(4)}"
        temporary.mkdir()
    except OSError as error:
        raise _CannotWriteError(f"cannot write to the cache folder {entry.parent} ({error.strerror})") from error
    try:
        build(temporary)
        # What belongs to the entry: something that clears old files may take a part of it.
        arrays = {path.stem: files.checksum(path) for path in sorted(temporary.glob("*.npy"))}
        about = {"key": json.loads(key), "arrays": arrays}
        (temporary / "key.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
        for path in (*temporary.iterdir(), temporary):
            files.synced(path)
        try:
            temporary.rename(entry)
        except OSError:
            if not entry.is_dir():
                raise
        files.synced(entry.parent)
    except OSError as error:
        if not _is_full(error):
            raise
        raise _CannotWriteError(f"cannot write to the cache folder {entry.parent} ({_reason(error)})") from error
    finally:
        # After the rename there is nothing here: this is for errors, Ctrl-C and the slower of two builders.
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_stale(parent: Path) -> None:
    """Remove what killed builders left: their process is gone, or a day has passed."""
    for path in parent.glob(f"{_TEMPORARY}*"):
        place, _, pid = path.name.removeprefix(_TEMPORARY).rpartition("-")[0].rpartition("-")
        gone = place == _place() and pid.isdecimal() and not _alive(int(pid))
        with contextlib.suppress(FileNotFoundError):
            if gone or time.time() - path.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _place() -> str:
    """Where a process number means one process: a machine, on Linux one of its namespaces (a container's, say)."""
    try:
        return f"{platform.node()}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()


def _alive(pid: int) -> bool:
    """Whether a process of this machine runs; True where one cannot ask (on Windows, signal 0 ends it)."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
