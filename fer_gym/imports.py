"""Modules, and objects such as "module:Name", from what is installed or from the working directory."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def find(name: str) -> Any:
    """Import the object that "module:Name" names; Name may have dots.

    Raises:
        ImportError: if the module is not found, or what it imports is not.
        AttributeError: if the module has no such object.
    """
    module, _, attribute = name.partition(":")
    if not module:
        raise ImportError("it names no module")
    return functools.reduce(getattr, attribute.split("."), import_module(module))


def import_module(name: str) -> ModuleType:
    """Import a module.

    Raises:
        ImportError: if it is not found, or what it imports is not.
    """
    with _working_directory_on_path():
        return importlib.import_module(name)


@contextmanager
def _working_directory_on_path() -> Iterator[None]:
    """Let a module import its neighbours in the working directory.

    Not for longer: libraries try to import optional ones, and a file of such a name there would be executed. Last on
    the path, so that no file there hides an installed module.
    """
    here = os.getcwd()
    if {"", here} & set(sys.path):
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
