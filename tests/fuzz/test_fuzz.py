"""Whatever is wrong with an input, its reader says so or reads it. `make fuzz` is the long form."""

from pathlib import Path

import numpy as np
import pytest
from formats import FORMATS
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_input_is_read_or_refused(name: str, tmp_path: Path, empty_cache: Path) -> None:
    of = FORMATS[name](tmp_path)
    read, refused = [], []

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(st.integers(0, 2**63 - 1))
    def attempt(number: int) -> None:
        try:
            of.attempt(np.random.default_rng(number))
            read.append(number)
        except of.refusals:
            refused.append(number)

    attempt()
    assert len(read) + len(refused) >= 100
    assert bool(refused) != (name == "records")  # those that are none are named in what is read


@pytest.mark.parametrize(
    ("name", "number"),
    [("records", 42191), ("checkpoint", 8467), ("checkpoint", 74838), ("FER2013's zip", 64649)],
)
def test_inputs_that_once_were_faults(name: str, number: int, tmp_path: Path, empty_cache: Path) -> None:
    """A zip member that says it is encrypted, a short number, a storage without a name, a member without one."""
    of = FORMATS[name](tmp_path)
    try:
        of.attempt(np.random.default_rng(number))
    except of.refusals:
        assert name != "records"
