"""Files that are whole or not there, and places that can be written to."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import time
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fer_gym.errors import UsageError

_DIGEST_BYTES = 16
_UNFINISHED = ".part"
#: What NumPy raises for a file that is no array of its own, or a broken one: from zip archives, and from headers.
NUMPYS_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # a member that says it is encrypted, or packed in a way that is not known
    SyntaxError,
    tokenize.TokenError,
    MemoryError,
)


def at(place: str | os.PathLike[str]) -> Path:
    """A path as a user gives it: a leading "~" is a home folder, if it is a user's."""
    return Path(os.path.expanduser(place))


def size_of(path: Path) -> int:
    """The bytes of a file, or of what a link leads to. A pipe would never end, a device never be empty.

    Raises:
        OSError: if there is nothing.
        ValueError: if it is no file.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("no regular file (a folder, pipe or device)")
    return status.st_size


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Write a file under another name and rename it at the end: a reader sees a whole one or none.

    Should the block raise or the process be stopped, whatever was at `path` before is there still; after a power cut
    it is the old file or the new one.

    Raises:
        OSError: if there is no room; it names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        # Not by `tempfile`, whose files nobody else may read: here the umask decides, as for any other file.
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
    synced(path.parent)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` while the block runs, for what is to be renamed to `path`."""
    temporary = _beside(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_checked(path: Path, content: bytes | memoryview) -> None:
    """Write a file, whole or not at all, with a checksum of its content at its end.

    Raises:
        OSError: if there is no room; it names `path`.
    """
    with written_whole(path) as file:
        file.write(content)
        file.write(_digest(content))


def read_checked(path: Path) -> memoryview:
    """The content of a file that `write_checked` has written.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is not what was written.
    """
    size_of(path)
    try:
        whole = memoryview(path.read_bytes())
    except MemoryError as error:
        raise ValueError("it is larger than the memory") from error
    content, digest = whole[:-_DIGEST_BYTES], whole[-_DIGEST_BYTES:]
    if digest != _digest(content):
        raise ValueError("its content does not match its checksum")
    return content


def checksum(path: Path) -> str:
    """Of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def synced(folder: Path) -> None:
    """Have the system write a folder's entries to the disk, where it lets one ask for that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def check_writable(folder: Path, name: str = "probe") -> None:
    """Make a folder if it is not there, and see that files can be made in it: before hours of work, not after.

    Args:
        folder: to write to.
        name: of the file to come, which may be too long for the system.

    Raises:
        UsageError: if they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = _beside(folder / name)
        probe.write_bytes(b"\0")
        probe.unlink()
    except OSError as error:
        why = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise UsageError(f"{folder}: cannot be written to ({why}); choose another --out") from error


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other processes out of a place while the block runs.

    Nothing is kept out on Windows, nor on a file system without locks.

    Args:
        path: of the lock's file. It is never removed: it may be another process's by then.

    Raises:
        UsageError: if another process holds it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        yield
        return
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{path.parent}: another run is writing here; choose another --out") from error
        except OSError:  # a file system without locks
            pass
        yield


def remove_unfinished(folder: Path, seconds: float = 0.0) -> None:
    """Remove what a killed process left in a folder: of `written_whole`, and of `scratch_folder`.

    Args:
        folder: to look in.
        seconds: younger files stay. Where other processes may be writing, more than they take for a file.
    """
    for path in folder.glob(f".*{_UNFINISHED}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime < seconds:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}{_UNFINISHED}")
