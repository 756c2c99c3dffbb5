"""Run the scripts of this folder and put their tables into RESULTS.md.

    python bench/run.py [NAME ...] [--jobs 1] [--render]

Each script named (all, where none is) writes its table to results/NAME.json; RESULTS.md is then made of all tables
there.
"""

import answer

# isort: split
import json
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SCRIPTS = (
    "learning_accuracy",
    "learning_multiplicity",
    "learning_nuts",
    "learning_speed",
    "estimators",
    "learning_table",
    "entropy_bracket",
    "entropy_width",
    "entropy_speed",
    "resilience_speed",
    "resilience_share",
    "resilience_campaign",
    "minimax_speed",
    "sweep_scaling",
)
PARALLEL = ("learning_multiplicity", "estimators", "resilience_campaign")  # those that take --jobs
TITLE = """# Measured

Made by `python bench/run.py`; each table says which command makes it alone and on which machine it was made.  Times are
CPU seconds after compilation, on one core and with one BLAS thread."""


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCRIPTS)}; all by default")
    parser.add_argument("--jobs", type=int, default=1, help=f"processes for {', '.join(PARALLEL)} (default 1)")
    parser.add_argument("--render", action="store_true", help="run nothing, only make RESULTS.md")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in SCRIPTS]
    if unknown:
        parser.error(f"NAME must be of {', '.join(SCRIPTS)}, got {', '.join(unknown)}")
    RESULTS.mkdir(exist_ok=True)
    for name in () if asked.render else asked.names or SCRIPTS:
        jobs = ["--jobs", str(asked.jobs)] if name in PARALLEL and asked.jobs != 1 else []
        file = str(RESULTS / f"{name}.json")
        subprocess.run([sys.executable, str(HERE / f"{name}.py"), *jobs, "--json", file], check=True)
        print(flush=True)
    tables = [RESULTS / f"{name}.json" for name in SCRIPTS]
    found = [answer.Answer(**json.loads(file.read_text())) for file in tables if file.exists()]
    (HERE / "RESULTS.md").write_text("\n\n".join([TITLE, *(table.markdown() for table in found)]) + "\n")


if __name__ == "__main__":
    main()
