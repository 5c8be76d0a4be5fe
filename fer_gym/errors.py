"""What a user can put right, told apart from what is a bug: the exceptions of this package, and their words."""

import re


class UsageError(ValueError):
    """Something that was asked for is not allowed.

    The message is one line that names the keyword, option or file, what was found and what is allowed. Any other
    exception, a `ValueError` of NumPy's or PyTorch's among them, is a bug, here or in an agent: its traceback counts.
    """


class DatasetError(UsageError):
    """A data set, or what was asked of one, is unusable.

    The message names the file and the row or member, what was found there, what was expected, and what to do.
    """


def without_callable(message: str) -> str:
    """Python's complaint about a keyword, without the name of the function or class, which nobody has typed."""
    return re.sub(r"^\S+ (?=got an unexpected keyword)", "", message)
