"""What gpu.py measures with: seconds of a device and of one core of its host, in pieces that grow until they fit."""

import gc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import answer
import torch

GROWTH = 8  # of a piece, until it fills its share of the seconds
FEWEST, OVERDRAWN = 3, 2  # timings of a way whose smallest piece takes more than so many times its seconds
REHEARSAL = 1 << 30  # bytes that a rehearsal may take
NOT_HERE = "not timed"
EXHAUSTED = torch.cuda.OutOfMemoryError

Run = Callable[[int], object]


class NotHere(Exception):
    """A way that this machine does not have, which is no fault."""


@dataclass(frozen=True)
class Way:
    """One way to do a work piece by piece.

    Attributes
    ----------
    prepare : () -> (amount -> anything)
        Builds, compiles or captures; what it returns does, or starts, so much of the work.
    whole : float
        How much the row is about; less is timed where the seconds do not reach, and scaled.
    least : int
        The smallest piece worth timing.
    host : bool
        Whether CPU seconds of one core count, not the device's.
    captured : bool
        Whether it replays a graph, whose memory counts as reserved alone.
    off : () -> float, optional
        How far its values are from those of the CPU, relative to the largest.
    mean : () -> (mean, standard error), optional
        Of what all runs drew.
    """

    prepare: Callable[[], Run]
    whole: float
    least: int = 1
    host: bool = False
    captured: bool = False
    off: Callable[[], float] | None = None
    mean: Callable[[], tuple[float, float]] | None = None


@dataclass(frozen=True)
class Timing:
    """Seconds of the whole work.

    Attributes
    ----------
    first : float
        Building, compiling, capturing and the first piece, before the values are checked, in seconds of the wall.
    seconds : float
        The median of the pieces, scaled up.
    part : float
        Which part of the whole a piece was.
    count : int
        Of the pieces.
    peak : int or None
        Bytes that the device held at most, those of the other prepared ways among them.
    """

    first: float
    seconds: float
    part: float
    count: int
    peak: int | None


class Device:
    """A device, its clock and its memory.

    `beyond` is the most by which the wall outran the events, where that is more than a tenth of it and a millisecond:
    work then ran on a stream that the events do not see.
    """

    def __init__(self, name: str) -> None:
        self.cuda = name.startswith("cuda")
        index = torch.cuda.current_device() if self.cuda else None
        self.place = torch.device("cuda", index) if self.cuda else torch.device("cpu")
        self.beyond = 0.0

    def words(self) -> str:
        """The device and what drives it."""
        if not self.cuda:
            return "no device: a rehearsal on the CPU"
        about = torch.cuda.get_device_properties(self.place)
        size = f"{about.total_memory / 2**30:.0f} GiB, {about.multi_processor_count} multiprocessors"
        return f"{about.name}, {size}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"

    def triton(self) -> bool:
        """Whether Triton's kernels run here, by its interpreter if need be."""
        return self.cuda or os.environ.get("TRITON_INTERPRET") == "1"

    def generator(self, seed: int) -> torch.Generator:
        """On the device."""
        return torch.Generator(self.place).manual_seed(seed)

    def wait(self) -> None:
        """Until all that was started is done."""
        if self.cuda:
            torch.cuda.synchronize(self.place)

    def free(self) -> int:
        """Bytes that can be had."""
        if not self.cuda:
            return REHEARSAL
        kept = torch.cuda.memory_reserved(self.place) - torch.cuda.memory_allocated(self.place)
        return torch.cuda.mem_get_info(self.place)[0] + kept

    def clean(self) -> None:
        """Give back what nothing holds."""
        gc.collect()
        if self.cuda:
            torch.cuda.empty_cache()

    def seconds(self, work: Callable[[], object], reserved: bool = False) -> tuple[float, int | None]:
        """Of the device's own clock, and the bytes that it held or, if asked, had reserved at most."""
        if not self.cuda:
            start = perf_counter()
            work()
            return perf_counter() - start, None
        self.wait()
        torch.cuda.reset_peak_memory_stats(self.place)
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start = perf_counter()
        begin.record()
        work()
        end.record()
        self.wait()
        wall, seen = perf_counter() - start, begin.elapsed_time(end) / 1e3
        if wall - seen > 0.1 * wall + 1e-3:
            self.beyond = max(self.beyond, wall - seen)
        peak = torch.cuda.max_memory_reserved if reserved else torch.cuda.max_memory_allocated
        return seen, peak(self.place)


def measure(
    device: Device, ways: Mapping[str, Way], repeats: int, budgets: tuple[float, float], close: float
) -> tuple[dict[str, Timing], dict[str, float], dict[str, str]]:
    """Timings of the ways, which take turns, how far off their values were, and why a way was not timed.

    `budgets` are the seconds for all turns of a way, on the device and on the host.  Running out of memory is raised.
    """
    runs: dict[str, tuple[Run, int, float]] = {}
    offs: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name, way in ways.items():
        try:
            run, first = _begun(device, way)
            if way.off is not None:
                offs[name] = way.off()
                if not offs[name] <= close:
                    failed[name] = f"DISAGREES with the CPU by {offs[name]:.2g}, more than {close:g}"
                    continue
            runs[name] = run, _size(device, way, run, budgets[way.host] / repeats), first
        except EXHAUSTED:
            raise
        except NotHere as error:
            failed[name] = f"{NOT_HERE}: {error}"
        except Exception as error:  # a way that fails must not take the others along
            failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    spent: dict[str, list[float]] = {name: [] for name in runs}
    peaks: dict[str, list[int]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, (run, amount, _) in runs.items():
            if len(spent[name]) >= FEWEST and sum(spent[name]) > OVERDRAWN * budgets[ways[name].host]:
                continue
            seconds, peak = _clock(device, ways[name], run, amount)
            spent[name].append(seconds)
            peaks[name] += [] if peak is None else [peak]
    out = {}
    for name, (_, amount, first) in runs.items():
        part = amount / ways[name].whole
        middle = median(spent[name]) / part
        out[name] = Timing(first, middle, part, len(spent[name]), max(peaks[name], default=None))
    return out, offs, failed


def _begun(device: Device, way: Way) -> tuple[Run, float]:
    """The run, and how long its first piece took with all before it."""
    start = perf_counter()
    run = way.prepare()
    run(min(max(1, int(way.whole)), way.least))
    device.wait()
    return run, perf_counter() - start


def _size(device: Device, way: Way, run: Run, seconds: float) -> int:
    """How much of it fills about the seconds."""
    most, amount = max(1, int(way.whole)), min(max(1, int(way.whole)), way.least)
    while True:
        spent = _clock(device, way, run, amount)[0]
        if spent < seconds:  # a hiccup would make all pieces small
            spent = min(spent, _clock(device, way, run, amount)[0])
        if amount == most or spent * GROWTH > seconds:
            break
        amount = min(most, amount * GROWTH)
    return min(most, max(way.least, int(amount * seconds / max(spent, 1e-6))))


def _clock(device: Device, way: Way, run: Run, amount: int) -> tuple[float, int | None]:
    if way.host:
        return answer.timed(lambda: run(amount))[1], None
    return device.seconds(lambda: run(amount), way.captured)
