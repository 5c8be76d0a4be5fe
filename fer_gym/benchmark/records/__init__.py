"""What a trial leaves behind: one JSON file, and beside it a NumPy file with its arrays.

`fer_gym.benchmark.records.schema` says what a record holds.
"""

from fer_gym.benchmark.records.results import (
    Results,
    TaskResults,
    learning_steps,
    paired,
    read_folder,
    refuse_other_suites,
    value,
)
from fer_gym.benchmark.records.saved_agents import load_agent, path_of_agent
from fer_gym.benchmark.records.schema import NotARecordError, OtherFormatError, Record
from fer_gym.benchmark.records.store import path_of, path_of_log, read, write

__all__ = [
    "NotARecordError",
    "OtherFormatError",
    "Record",
    "Results",
    "TaskResults",
    "learning_steps",
    "load_agent",
    "paired",
    "path_of",
    "path_of_agent",
    "path_of_log",
    "read",
    "read_folder",
    "refuse_other_suites",
    "value",
    "write",
]
