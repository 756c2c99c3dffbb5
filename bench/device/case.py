"""What a row of gpu.py is about: a setting, a work with its needs, and the ways to do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from device.clock import Device, Timing, Way

SPARE = 0.8  # of the free memory


@dataclass(frozen=True)
class Setting:
    """Where and how large.

    Attributes
    ----------
    device : Device
    small : bool
        A rehearsal's sizes.
    seed : int
    known : dict
        What two rows share: references of the CPU.
    hosts : dict
        Timings of one core that serve several rows.
    notes : list of str
    """

    device: Device
    small: bool
    seed: int
    known: dict[str, tuple[float, float]] = field(default_factory=dict)
    hosts: dict[str, Timing] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def fitting(self, name: str, asked: int, bytes_each: float, share: float) -> int:
        """At most as many as asked for, times the share, that fit the memory; what was cut is noted."""
        most = int(min(asked * share, SPARE * self.device.free() / bytes_each))
        if most < 1:
            raise MemoryError(f"{name}: not one of {asked} fits the memory")
        if most < asked:
            self.notes.append(f"{name}: {most} of {asked}, since more do not fit the memory of the device.")
        return most

    def once(self, key: str, make: Callable[[], tuple[float, float]]) -> tuple[float, float]:
        """A mean and its standard error, made at the first call."""
        if key not in self.known:
            self.known[key] = make()
        return self.known[key]


@dataclass(frozen=True)
class Case:
    """Rows that do the same work.

    Attributes
    ----------
    subject, work, size : str
    dtype : torch.dtype
    count : float
        How many of `unit` the whole work is.
    unit : str
        With a prefix that `scale` divides by.
    scale : float
    ways : mapping
        By name; the one called "host" is the CPU's.
    needs : mapping
        Of the whole work: operations ("product"), bytes ("copy"), exponentials ("exp"), normals ("normals").
    close : float
        How far values may be from those of the CPU.
    reference : () -> (mean, standard error), optional
        Of the CPU, for what is random.
    host_key : str
        Rows with the same one share the timing of the host.
    """

    subject: str
    work: str
    size: str
    dtype: torch.dtype
    count: float
    unit: str
    scale: float
    ways: Mapping[str, Way]
    needs: Mapping[str, float] = field(default_factory=dict)
    close: float = 0.0
    reference: Callable[[], tuple[float, float]] | None = None
    host_key: str = ""

    @property
    def word(self) -> str:
        """Of the dtype."""
        return str(self.dtype).removeprefix("torch.")


Maker = Callable[[Setting, torch.dtype, float], Case]
