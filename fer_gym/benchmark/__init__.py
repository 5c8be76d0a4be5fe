"""Tasks, suites and the runner that compares agents on them. No agent is imported here: arms name or hold them."""

from importlib.util import find_spec

for _needed in ("jinja2", "matplotlib", "scipy", "sklearn"):
    if find_spec(_needed) is None:
        raise ModuleNotFoundError(f"fer_gym.benchmark needs {_needed}: pip install 'fer-gym[benchmark]'", name=_needed)
