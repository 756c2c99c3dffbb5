"""Run the scripts of this folder and put their tables into RESULTS.md.

    python bench/run.py [NAME ...] [--jobs 1] [--render] [--check]

Each script named (all, where none is) adds its table to results/MACHINE-CLASS.json, in place of the one that was there;
RESULTS.md is then made of all tables there.
"""

import answer

# isort: split
import json
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import targets
from filelock import FileLock

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SUBJECTS = {
    "Learning coefficients": (
        "learning_accuracy",
        "learning_multiplicity",
        "learning_peers",
        "learning_nuts",
        "estimators",
        "learning_selection",
        "learning_speed",
        "learning_table",
    ),
    "Entropy of mixtures": ("entropy_speed", "entropy_peers", "entropy_bracket", "entropy_width"),
    "Resilience of LSTMs": ("resilience_speed", "resilience_tightness", "resilience_share", "resilience_campaign"),
    "Minimax training": ("minimax_speed", "minimax_pepit"),
    "All subjects": ("limits", "scaling", "sweep_scaling", "gpu", "smoke"),
}
SCRIPTS = tuple(name for names in SUBJECTS.values() for name in names)
PARALLEL = ("learning_multiplicity", "estimators", "resilience_campaign")  # those that take --jobs
EXTRA = {"smoke": ["--record"]}
TITLE = """# Measured

Made by `python bench/run.py`; each table says which command makes it alone and on which machine it was made.  Times are
CPU seconds after compilation, on one core and with one BLAS thread, unless a table says otherwise; rivals take turns in
one run, and a figure is the median."""


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCRIPTS)}; all by default")
    parser.add_argument("--jobs", type=int, default=1, help=f"processes for {', '.join(PARALLEL)} (default 1)")
    parser.add_argument("--render", action="store_true", help="run nothing, only make RESULTS.md")
    parser.add_argument(
        "--check", action="store_true", help="run and write nothing, fail where RESULTS.md is not up to date"
    )
    asked = parser.parse_args()
    page = HERE / "RESULTS.md"
    if asked.check:
        sys.exit(
            None if page.read_text() == rendered(classes()) else "RESULTS.md is not what results/ says: run --render"
        )
    unknown = [name for name in asked.names if name not in SCRIPTS]
    if unknown:
        parser.error(f"NAME must be of {', '.join(SCRIPTS)}, got {', '.join(unknown)}")
    ends: dict[str, str] = {}
    for name in () if asked.render else asked.names or SCRIPTS:
        ends[name] = measured(name, asked.jobs)
        page.write_text(rendered(classes()))  # after each, so that an interrupted run leaves the page as the files are
    page.write_text(rendered(classes()))
    for end in ("skipped", "failed"):
        if names := [name for name, seen in ends.items() if seen == end]:
            print(f"{end}, so that their tables are as they were: {', '.join(names)}")
    sys.exit(1 if "failed" in ends.values() else None)


def measured(name: str, jobs: int) -> str:
    """What became of a script: "measured" and put into the results, "skipped" as its rival is missing, or "failed"."""
    options = ["--jobs", str(jobs)] if name in PARALLEL and jobs != 1 else EXTRA.get(name, [])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "answer.json"
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *options, "--json", str(file)])
        print(flush=True)
        if done.returncode:
            return "failed"
        if not file.exists():
            return "skipped"
        add(name, answer.Answer(**json.loads(file.read_text())))
    return "measured"


def add(name: str, found: answer.Answer) -> None:
    """Put a table beside the others of its machine class; what is there is never half written."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{found.machine_class}.json"
    with FileLock(file.with_suffix(".lock")):  # another run may add its table at the same time
        tables = json.loads(file.read_text()) if file.exists() else {}
        tables[name] = found.data()
        order = {each: tables[each] for each in SCRIPTS if each in tables}
        part = file.with_suffix(".part")
        part.write_text(json.dumps(order, ensure_ascii=False, indent=1) + "\n")
        os.replace(part, file)


def classes() -> dict[str, dict[str, answer.Answer]]:
    """All tables there are, by machine class and script."""
    return {
        file.stem: {name: answer.Answer(**table) for name, table in json.loads(file.read_text()).items()}
        for file in sorted(RESULTS.glob("*.json"))
    }


def rendered(found: dict[str, dict[str, answer.Answer]]) -> str:
    """RESULTS.md: contents, targets, then the tables by machine class and subject."""
    parts, anchors = [TITLE], Anchors()
    for tables in found.values():
        parts.append(f"# On {next(iter(tables.values())).machine.split(';')[0]}")
        lines = []
        for subject, names in SUBJECTS.items():
            heads = [tables[each].question for each in names if each in tables]
            links = [f"  - [{head}](#{anchors.of(head)})" for head in heads]
            lines += [f"- {subject}", *links] if links else []
        parts += ["\n".join(lines), targets.markdown(tables)]
        for subject, names in SUBJECTS.items():
            shown = [tables[each].markdown() for each in names if each in tables]
            parts += [f"## {subject}", *shown] if shown else []
    return "\n\n".join(part for part in parts if part) + "\n"


class Anchors:
    """The names that headings get on a rendered page, in the order in which they come."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def of(self, head: str) -> str:
        kept = "".join(letter for letter in head.lower() if letter.isalnum() or letter in " -_").replace(" ", "-")
        self.seen[kept] += 1
        return kept if self.seen[kept] == 1 else f"{kept}-{self.seen[kept] - 1}"


if __name__ == "__main__":
    main()
