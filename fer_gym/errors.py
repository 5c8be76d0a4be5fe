"""The exceptions of this package: what a user can put right, told apart from what is a bug."""


class UsageError(ValueError):
    """Something that was asked for is not allowed.

    The message is one line that names the keyword, option or file, what was found and what is allowed. Any other
    exception, a `ValueError` of NumPy's or PyTorch's among them, is a bug, here or in an agent: its traceback counts.
    """


class DatasetError(UsageError):
    """A data set, or what was asked of one, is unusable.

    The message names the file and the row or member, what was found there, what was expected, and what to do.
    """
