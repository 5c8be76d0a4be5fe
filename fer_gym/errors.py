"""The one exception of this package's own."""


class DatasetError(ValueError):
    """A data set, or what was asked of one, is unusable.

    The message names the file and the row or member, what was found there, what was expected, and what to do.
    """
