"""Read pickles of NumPy arrays and plain containers, in which nothing is executed.

A pickle is a program. Here it may only build dictionaries, lists, texts, numbers and arrays: the few functions that
NumPy's arrays call by name are stand-ins of ours, any other name is refused, and so is any instruction that no such
pickle holds.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The instructions (see `pickletools`) that plain containers, texts, numbers and arrays are made of.
_ALLOWED = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "NONE", "NEWTRUE", "NEWFALSE",
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3",
    "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS",
    "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET",
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD",
}  # fmt: skip
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_NUMBERS = re.compile(r"[iu][1248]")


def loads(data: bytes) -> dict[str, Any]:
    """The dictionary that a pickle holds.

    Args:
        data: the pickle, of any protocol.

    Returns:
        From texts to containers, texts, numbers, and arrays of whole numbers. Python 2's texts, but for the keys, are
        bytes.

    Raises:
        ValueError: if the pickle is broken, or holds anything else.
    """
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if opcode.name not in _ALLOWED:
                raise ValueError(f"the instruction {opcode.name}")
            # Python makes room for as many entries as the number says.
            if opcode.name in _PUTS and int(argument or 0) > count:
                raise ValueError(f"entry {argument} after {count} instructions")
        found = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        return {_text(key): value.array if isinstance(value, _Array) else value for key, value in found.items()}
    except Exception as error:  # a broken pickle raises many kinds: UnpicklingError, EOFError, KeyError, TypeError, ...
        raise ValueError(f"not a pickle of arrays and plain containers ({str(error)[:200]})") from error


class _Unpickler(pickle.Unpickler):
    """Knows the names below and no other."""

    def find_class(self, module: str, name: str) -> Any:
        # NumPy 2 calls its core otherwise.
        found = _STAND_INS.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise ValueError(f"the name {module}.{name}")
        return found


class _Type:
    """In place of `numpy.dtype`."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.code = _text(code)
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        self.order = _text(state[1])


class _Array:
    """In place of `numpy.ndarray`, which is made empty and given its contents after that."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, contents = state
        self.array = _array(contents, dtype, shape, "F" if fortran else "C")


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _frombuffer(contents: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    made = _Array()
    made.array = _array(contents, dtype, shape, order)
    return made


def _encode(text: Any, encoding: Any) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if _text(encoding) != "latin1":
        raise ValueError(f"the encoding {encoding}")
    return bytes(text.encode("latin1"))


def _array(contents: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    """An array of the bytes that are there, if type and shape need as many."""
    if not _NUMBERS.fullmatch(dtype.code) or not isinstance(contents, bytes | bytearray):
        raise ValueError(f"an array of {dtype.code!r}, no whole numbers")
    return np.frombuffer(contents, np.dtype(dtype.order + dtype.code)).reshape(shape, order=_text(order))


def _text(value: Any) -> Any:
    return value.decode("latin1") if isinstance(value, bytes) else value


_STAND_INS = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
}
