"""How fast are the accel twins on a GPU, beside one core's kernels and the device's own ceilings?

    python bench/gpu.py [--only learning minimax] [--minutes 8] [--repeats 5] [--seconds 5 2] [--seed 0] [--json FILE]
    python bench/gpu.py --device cpu --small [...]

Needs a CUDA device; without one it says so and writes nothing.  The second form rehearses every row on the CPU at sizes
that say nothing about speed.  The file is written anew after every row.
"""

import answer

# isort: split
import importlib
import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from device.case import Case, Maker, Setting
from device.ceilings import CEILINGS
from device.clock import EXHAUSTED, NOT_HERE, Device, Timing, measure

DTYPES = (torch.float64, torch.float32)
SUBJECTS = ("learning", "resilience", "minimax", "entropy")  # each has a module device.SUBJECT with its CASES
AGREE = 5.0  # standard errors
HALVINGS = 4  # of a size that runs out of memory
NO_DEVICE = "No CUDA device is at hand: run this on a machine that has one, or rehearse it with --device cpu --small."

COLUMNS = {
    "subject": "",
    "work": "",
    "way": "",
    "precision": "",
    "size": "",
    "first s": ".2g",
    "seconds": ".3g",
    "timed %": ".3g",
    "timings": "d",
    "rate": ".3g",
    "of": "",
    "ceiling": "",
    "share of it %": ".3g",
    "one core s": ".3g",
    "× one core": ".3g",
    "core timed %": ".3g",
    "off by": ".1e",
    "standard errors off": "+.1f",
    "peak MB": ".0f",
}


class Table:
    """The rows so far, the ceilings that they showed, and the file that is kept up to date."""

    def __init__(self, asked: Namespace, setting: Setting) -> None:
        self.asked, self.setting = asked, setting
        self.rows: list[dict[str, Any]] = []
        self.ceilings: dict[tuple[str, torch.dtype], float] = {}
        self.wrong: list[str] = []
        self.lost = False
        device = setting.device
        self.known_as = answer.slug(torch.cuda.get_device_name(device.place)) if device.cuda else answer.machine_class()
        self.machine = f"{device.words()}; host: {answer.machine()}"

    def run(self, name: str, make: Maker, dtype: torch.dtype) -> None:
        """The rows of one case; what goes wrong is noted, and the next case can go on unless the device is lost."""
        label = f"{name}, {str(dtype).removeprefix('torch.')}"
        for halving in range(HALVINGS):
            exhausted = False
            try:
                self.rows += self.measured(make(self.setting, dtype, 0.5**halving), name)
            except EXHAUSTED:
                exhausted = True
            except Exception as error:  # the rows after it can still be had
                self.fail(f"{label}: {type(error).__name__}: {error}.")
            try:
                self.setting.device.clean()  # here nothing holds the tensors any more, the error's frames included
            except RuntimeError as error:  # some errors of a kernel stay with the process
                self.lost = True
                self.fail(f"{label}: the device is lost, and no row is begun after it: {str(error).splitlines()[0]}.")
            if self.lost or not exhausted:
                break
            self.setting.notes.append(f"{label}: out of memory at 1/{2**halving} of the size.")
        else:
            self.fail(f"{label}: no size fits the memory.")
        self.save()

    def measured(self, case: Case, name: str) -> list[dict[str, Any]]:
        """A row for every way, those that failed included."""
        ways = {
            word: way for word, way in case.ways.items() if word != "host" or case.host_key not in self.setting.hosts
        }
        times, offs, failed = measure(
            self.setting.device, ways, self.asked.repeats, tuple(self.asked.seconds), case.close
        )
        if case.host_key and "host" in times:
            self.setting.hosts[case.host_key] = times["host"]
        host = times.get("host") or self.setting.hosts.get(case.host_key)
        for way, words in failed.items():
            told = f"{case.subject}, {case.work}, {way}, {case.word}: {words}."
            if not words.startswith(NOT_HERE):
                self.fail(told)
            elif told not in self.setting.notes:
                self.setting.notes.append(told)
        out = []
        for way in case.ways:
            if way == "host":
                continue
            row = {"subject": case.subject, "work": case.work, "way": way, "precision": case.word, "size": case.size}
            if way in times:
                row |= self.figures(case, name, times[way], host) | self.compared(case, way)
            if way in offs:
                row["off by"] = offs[way]
            spent = f"{row['seconds']:.3g} s" if "seconds" in row else "-"
            print(f"{case.subject}, {case.work}, {way}, {case.word}: {spent}", file=sys.stderr, flush=True)
            out.append(row)
        return out

    def figures(self, case: Case, name: str, time: Timing, host: Timing | None) -> dict[str, Any]:
        rate = case.count / time.seconds
        row: dict[str, Any] = {
            "first s": time.first,
            "seconds": time.seconds,
            "timed %": 100 * time.part,
            "timings": time.count,
        }
        row |= {"rate": rate / case.scale, "of": case.unit}
        row["peak MB"] = None if time.peak is None else time.peak / 1e6
        if case.subject == "ceiling":
            key = name, case.dtype
            self.ceilings[key] = max(rate, self.ceilings.get(key, 0.0))
        floors = {
            need: count / self.ceilings[need, case.dtype]
            for need, count in case.needs.items()
            if (need, case.dtype) in self.ceilings
        }
        if floors:
            binds = max(floors, key=floors.__getitem__)
            row |= {"ceiling": binds, "share of it %": 100 * floors[binds] / time.seconds}
        if host is not None:
            row |= {"one core s": host.seconds, "× one core": host.seconds / time.seconds}
            row["core timed %"] = 100 * host.part
        return row

    def compared(self, case: Case, way: str) -> dict[str, float]:
        """How many standard errors a random mean lies from that of the CPU."""
        mean = case.ways[way].mean
        if mean is None or case.reference is None:
            return {}
        (seen, error), (exact, other) = mean(), case.reference()
        z = (seen - exact) / (error**2 + other**2) ** 0.5
        if not abs(z) <= AGREE:
            words = f"DISAGREES with the CPU: {seen:.6g} ± {error:.2g}, not {exact:.6g} ± {other:.2g}"
            self.fail(f"{case.subject}, {case.work}, {way}, {case.word}: {words}.")
        return {"standard errors off": z}

    def fail(self, words: str) -> None:
        self.wrong.append(words)
        self.setting.notes.append(words)
        print(words, flush=True)
        self.save()

    def so_far(self) -> answer.Answer:
        return answer.Answer(
            __doc__.splitlines()[0],
            COLUMNS,
            self.rows,
            (*self.notes(), *self.setting.notes),
            machine=self.machine,
            machine_class=self.known_as,
        )

    def notes(self) -> tuple[str, ...]:
        cuda, beyond = self.setting.device.cuda, self.setting.device.beyond
        clock = "events of the device" if cuda else "wall seconds of the CPU in place of a device's events"
        first: tuple[str, ...] = ()
        if self.setting.small or not cuda:
            first = (
                "A REHEARSAL at tiny sizes: it shows that the rows run and agree, and nothing about speed. Without a "
                "GPU the sweeps of a graph are run eagerly.",
            )
        return (
            *first,
            f"Seconds: {clock}, median of the timings, ways and core taking turns; first: building, compiling or "
            "capturing, the chains' warm-up and the first piece, apart. Timed: the part of the size that was timed, "
            "the rest being scaled.",
            "One core: lemmata's Numba kernels on the host in CPU seconds, a smaller piece timed and scaled; for the "
            "game of networks, which has no such kernel, torch with one thread. Where the kernel knows float64 alone, "
            "float32 is held against that. Of ceilings: peaks.py on the host.",
            "Share: the time that the work must take at the ceiling that binds it, of those measured in this run, over "
            "the seconds. Counted is what the result needs, whatever the way does: sweeps as learning_speed.py counts "
            "them, their random numbers, and the weights read and written once; 2 K d² operations a density, of which "
            "triangular factors need half; products and gates of the LSTM; 4 d + 8 operations and one exponential a "
            "pair of points; the products that torch counts in the networks. tf32 is off.",
            "Peak: bytes allocated at most while a way was timed, those of the other ways of the row among them; of a "
            "captured graph, whose own memory that leaves out, bytes reserved.",
            *((f"Wall seconds went beyond the events' by up to {beyond:.2g} in a piece.",) if beyond else ()),
            f"Off by: the largest difference of values from the CPU's in float64 over the largest value; random means "
            f"agree within {AGREE:g} standard errors. What disagrees or fails is noted and ends the script with 1.",
        )

    def save(self) -> None:
        file: Path | None = self.asked.json
        if file is not None:
            new = file.with_name(file.name + ".new")
            new.write_text(json.dumps(self.so_far().data(), ensure_ascii=False, indent=1) + "\n")
            os.replace(new, file)


def fill(table: Table, subjects: Sequence[str]) -> None:
    """The ceilings and the subjects, until the minutes are over or the device is lost."""
    start, minutes = perf_counter(), table.asked.minutes
    for name, make in CEILINGS:
        for dtype in DTYPES:
            if table.lost:
                return
            table.run(name, make, dtype)
    for subject in subjects:
        try:
            makers = importlib.import_module(f"device.{subject}").CASES
        except ImportError as error:
            table.fail(f"{subject}: {error}.")
            continue
        for make in makers:
            for dtype in DTYPES:
                if table.lost:
                    return
                if perf_counter() - start > 60 * minutes:
                    table.fail(f"{subject}, {dtype}: not run, as {minutes:g} minutes were over.")
                    continue
                table.run(subject, make, dtype)


def main() -> None:
    parser = answer.parser(__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: a rehearsal, with --small")
    parser.add_argument("--small", action="store_true", help="tiny sizes")
    parser.add_argument("--only", nargs="+", choices=("ceilings", *SUBJECTS), help="these subjects, after the ceilings")
    parser.add_argument("--repeats", type=int, default=5, help="timings of each, median taken (default 5)")
    both = "of a way's timings together, on the device and on the host (default 5 and 2)"
    parser.add_argument("--seconds", nargs=2, type=float, default=(5.0, 2.0), metavar=("DEVICE", "HOST"), help=both)
    parser.add_argument("--minutes", type=float, default=8.0, help="after which no row is begun (default 8)")
    asked = parser.parse_args()
    if asked.device == "cpu" and not asked.small:
        parser.error("--device cpu is a rehearsal and must go with --small")
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(NO_DEVICE)
        return
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    table = Table(asked, Setting(Device(asked.device), asked.small, asked.seed))
    fill(table, [name for name in SUBJECTS if asked.only is None or name in asked.only])
    answer.publish(table.so_far(), asked.json)
    if table.wrong:
        raise SystemExit(f"{len(table.wrong)} things went wrong; the notes name them")


if __name__ == "__main__":
    main()
