"""Sphinx's configuration. Pages that repeat what the code says are generated here, from the code."""

import dataclasses
import inspect
import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS.parent / "agents"), str(DOCS)]
os.environ["TYPER_USE_RICH"] = "0"  # plain help, without boxes
os.environ["COLUMNS"] = "100"

import rewards  # noqa: E402

import fer_gym  # noqa: E402
from fer_gym.cli.commands import app as command_line  # noqa: E402
from fer_gym.envs import ImageSelectEnv, RegTuneEnv  # noqa: E402

project = "fer-gym"
author = "The fer-gym developers"
copyright = "The fer-gym developers"
version = release = fer_gym.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "fer-gym"
html_use_index = False  # the search finds more, and long names make it wider than a page
generated = [f"_generated/{name}.md" for name in ("task_sections", "ranking", "rewards")]
included = [*generated, "results/clients.md", "results/convergence.md"]  # by other pages
exclude_patterns = ["_build", "results/*/report.md", *included]
default_role = "code"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the docstrings say dtype and shape
python_use_unqualified_type_names = True
smartquotes_action = "D"  # dashes only: strings in docstrings are code
toc_object_entries_show_parents = "hide"


#: The environments' pages, by their names: class, id, picture, what it shows.
PAGES = {
    "image_select": (
        ImageSelectEnv,
        "ImageSelect-v0",
        "walk.gif",
        "A walk: faces are retained, pictures without a face removed",
    ),
    "reg_tune": (
        RegTuneEnv,
        "RegTune-v0",
        "run.png",
        "A run: losses, F1 scores, and the strengths of two regularisers",
    ),
}


def write(name, text):
    """Write a generated page, unless it is there already: Sphinx builds only what is new."""
    path = DOCS / "_generated" / name
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def environment_page(environment, name, picture, shows):
    """The class docstring, Gymnasium's Markdown, as a page with a picture; Google's sections in it become lists."""
    lines, items = [], False
    for line in inspect.getdoc(environment).splitlines():
        if line in ("Args:", "Raises:"):
            items = True
            lines += [] if line == "Args:" else ["", "**Raises**", ""]
        elif items and (entry := re.match(r"    (\w+): (.*)", line)):
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif items and line.startswith(" " * 8):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line)
    return f"# {name}\n\n![{shows}](../images/{picture})\n\n" + "\n".join(lines) + "\n"


def command_page():
    """What `--help` says of every command."""
    from typer.testing import CliRunner

    def helps(words):
        text = CliRunner().invoke(command_line, [*words, "--help"], prog_name="fer-gym").output
        title = f"## {' '.join(['fer-gym', *words])}"
        pages.append(f"{title}\n\n```text\n{text.strip()}\n```\n")
        for name in re.findall(r"^  ([a-z]\w+)  ", text.partition("Commands:")[2], re.MULTILINE):
            helps([*words, name])

    pages = ["# Command line reference\n\nWhat `--help` says of every command.\n"]
    helps([])
    return "\n".join(pages)


def differences(learners, others):
    """What each learner scores above each baseline under the same seeds, with Student's interval of the differences.

    Baselines are the arms of `others`, and of the learners' suite the blind twins and the search for a constant.
    """
    from fer_gym.benchmark.report import summary
    from fer_gym.benchmark.report.statistics import mean_interval

    ours = {name: found for name in learners.arms if (found := summary.scores(learners, name))}
    theirs = {name: ours.pop(name) for name in list(ours) if name.endswith(", blind") or name == "best static"}
    theirs |= {name: found for name in others.arms if name not in ours and (found := summary.scores(others, name))}
    lines = ["Test macro F1, paired by seed:", ""]
    lines += [f"| | {' | '.join(f'{name} less it' for name in ours)} | seeds |", "|---" * (len(ours) + 2) + "|"]
    for baseline, found in theirs.items():
        shared = sorted(found.keys() & set.intersection(*map(set, ours.values())))
        cells = [str(mean_interval([scores[s] - found[s] for s in shared])) for scores in ours.values()]
        lines.append(f"| {baseline} | {' | '.join(cells)} | {len(shared)} |")
    return [*lines, ""]


def together(*tasks):
    """The arms that several suites have in one task."""
    from fer_gym.benchmark.records import TaskResults

    arms = {arm: by_seed for task in tasks for arm, by_seed in task.arms.items()}
    planned = {arm: seeds for task in tasks for arm, seeds in task.planned.items()}
    return TaskResults(tasks[0].name, arms, planned)


def best_first(task):
    """A task with its arms in the order of their mean scores."""
    from fer_gym.benchmark.report import summary

    def mean(arm):
        found = summary.scores(task, arm).values()
        return sum(found) / len(found)

    return dataclasses.replace(task, arms={arm: task.arms[arm] for arm in sorted(task.arms, key=mean, reverse=True)})


def baselines():
    """The records of the suite "standard" by task, and beside them those of rankings with another setting."""
    from fer_gym.benchmark import records

    found = {task.name: task for task in records.read_folder(DOCS / "results" / "standard").tasks}
    for task in records.read_folder(DOCS / "results" / "rankings").tasks:
        found[task.name] = together(found[task.name], task)
    return found


def ranking():
    """The arms that were run in every current task that all learners were run in, and their performance profiles."""
    from fer_gym.benchmark import records
    from fer_gym.benchmark.report import ranking
    from fer_gym.tasks import CURRENT

    standard = baselines()
    learnt = [
        task
        for task in records.read_folder(DOCS / "results" / "rl").tasks
        if task.name in CURRENT and all(map(task.arms.get, ("REINFORCE", "PPO", "RecurrentPPO", "A2C", "DQN")))
    ]
    tasks = [together(task, standard[task.name]) for task in learnt if task.name in standard]
    # The others are compared with the paper's agent.
    tasks = [dataclasses.replace(task, arms={"REINFORCE": task.arms["REINFORCE"], **task.arms}) for task in tasks]
    profile = ranking.profile(tasks)
    (DOCS / "_generated" / "profile.svg").write_bytes(profile.panels[0].svg)
    legend = ", ".join(f'<span style="color: {look.colour}">━━</span>&nbsp;{arm}' for arm, look in profile.legend)
    picture = "![Performance profiles](_generated/profile.svg)"
    return f"{ranking.table(tasks).markdown()}\n\n{picture}\n\n{legend}. {profile.caption}\n"


def task_sections():
    """A section for each calibrated task: what it is, its references, and what the agents scored that have records."""
    from fer_gym.benchmark import records
    from fer_gym.benchmark.report import summary
    from fer_gym.tasks import CURRENT, TASKS

    learners, references = (
        {task.name: task for task in records.read_folder(DOCS / "results" / suite).tasks}
        for suite in ("rl", "references")
    )
    scored = (learners, baselines(), references)
    sections = []
    for task in TASKS.values():
        low, high = task.headroom_interval
        lines = [f"## {task.id}", "", f"{task.summary[0].upper()}{task.summary[1:]}. {task.hard}", ""]
        if task.id not in CURRENT:
            lines += ["A later version replaces it.", ""]
        if (DOCS / "images" / "tasks" / f"{task.id}.png").exists():
            lines += [f"![{task.summary}](images/tasks/{task.id}.png)", ""]
        lines += ["| reference | agent | test macro F1 |", "|---|---|---|"]
        for arm in (task.trivial, *task.others, task.reference):
            role = {task.trivial.name: " (trivial: 0)", task.reference.name: " (reference: 1)"}.get(arm.name, "")
            settings = ", ".join(f"{key}={value}" for key, value in arm.settings.items())
            bottom, top = arm.interval
            lines.append(f"| {arm.name}{role} | `{arm.agent}({settings})` | {arm.mean:.3f} [{bottom:.3f}, {top:.3f}] |")
        lines += ["", f"Headroom: {task.headroom:.3f} [{low:.3f}, {high:.3f}]. Budget: {task.episodes} episodes.", ""]
        lines += [f"Environment: `{task.env_id}` with"]
        lines += [f"`{', '.join(f'{key}={value!r}' for key, value in task.env.items())}`.", ""]
        found = [tasks[task.id] for tasks in scored if task.id in tasks and any(tasks[task.id])]
        if found:
            lines += [summary.table(best_first(together(*found))).markdown(), ""]
        if len(found) == 2:
            lines += differences(*found)
        sections.append("\n".join(lines))
    return "\n".join(sections)


write("task_sections.md", task_sections())
write("ranking.md", ranking())
write("rewards.md", "\n".join(rewards.tables()) + "\n")
for page, (environment, *of_page) in PAGES.items():
    write(f"{page}.md", environment_page(environment, *of_page))
write("commands.md", command_page())


def mend_docstring(app, what, name, obj, options, lines):
    """Send readers to the environment's page, and show indented lines after a colon as they are."""
    for page, (environment, *_) in PAGES.items():
        if obj is environment:
            lines[:] = [lines[0], "", f"Its page: :doc:`/_generated/{page}`."]
    # Napoleon takes what stands before a colon here for a type; these docstrings have sentences there.
    sentences = [0] if what in ("property", "data") else [i + 1 for i, line in enumerate(lines) if line == "Returns:"]
    for i in sentences:
        lines[i] = lines[i].replace(": ", " – ", 1)
    # "C." alone would begin a list with letters.
    lines[:] = [re.sub(r"^(\s+\w+: [A-Za-z])\.$", r"\1", line) for line in lines]
    for i in range(len(lines) - 2):
        here, after = lines[i], lines[i + 2]
        deeper = len(after) - len(after.lstrip()) >= len(here) - len(here.lstrip()) + 4
        if here.endswith(":") and not here.endswith("::") and not lines[i + 1].strip() and deeper:
            lines[i] = here + ":"


def setup(app):
    """Called by Sphinx; before napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", mend_docstring, priority=400)
