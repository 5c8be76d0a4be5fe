"""Run one function of one client: python one_cell.py client_torchrl image_select."""

import importlib
import sys

if __name__ == "__main__":  # a worker that is spawned imports this file again
    getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()
