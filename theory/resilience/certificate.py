"""What a stability certificate is: boxes, vectors and rates that a third party can check by multiplication alone."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .box import Box
from .cell import Cell, LSTMCell, Stack, as_stack, weights_sha256
from .certificate_vector import Rate, verified_rate
from .comparison import Comparison, MatrixMap
from .interval import Interval, interval
from .invariant_set import InvariantSet, initial_interval, replay
from .jacobian_level import signed_jacobian
from .layer import inputs_of, split
from .levels import LEVELS, available, stack_map
from .metric_level import Metric, checked_metric
from .refutation import Witness, witness_holds
from .structured_document import read_structured, structured_document
from .structured_proof import StructuredProof
from .tube import STEPS, Tube, tube

Array = NDArray[np.float64]
Status = Literal["certified", "refuted", "undecided"]

FORMAT = "lemmata resilience certificate 1"
NEAR = 1e-9  # how far a saved box may lie from the one computed again


@dataclass(frozen=True, eq=False)
class LevelResult:
    """What one level proves.

    Attributes
    ----------
    rate : Rate
        On the nominal set S_n; for tube_C and tube_R on the limit of the tube, for S where its proof ends.
    recovery : Rate
        On the anomaly set S_a, from which recovery starts; for the tubes the same as `rate`.
    note : str
        Why there is no number, or what stood in for the level; empty otherwise.
    metric, recovery_metric : Metric or None
        The norms of level D.
    structured, recovery_structured : StructuredProof or None
        Of level S: from S_a where `whole`, otherwise from the states reachable from B0 under inputs in U (`rate`) and
        in U_a (`recovery`).
    """

    rate: Rate
    recovery: Rate
    note: str = ""
    metric: Metric | None = None
    recovery_metric: Metric | None = None
    structured: StructuredProof | None = None
    recovery_structured: StructuredProof | None = None

    @property
    def certified(self) -> bool:
        """Whether the rounded λ of either is below 1."""
        return self.rate.certified or self.recovery.certified

    @property
    def reachable(self) -> bool:
        """Whether it speaks of the states reachable from B0 only, not of all of S_n and S_a."""
        proofs = (self.structured, self.recovery_structured)
        return any(proof is not None and not proof.whole for proof in proofs)


@dataclass(frozen=True, eq=False)
class Certificate:
    """The result of `certify`.

    Attributes
    ----------
    stack : Stack
        The network.
    input_box, anomaly_box : Box
        U ⊆ U_a.
    initial_box : Box or None
        B0; None stands for {0}.
    split : int
        Parts of each scalar at level R.
    nominal, anomaly : InvariantSet
        S_n for inputs in U and S_a for inputs in U_a, S_n ⊆ S_a.
    levels : mapping
        `LevelResult` by name.
    witness : Witness or None
        Two trajectories under one periodic input that never meet, or an orbit that drives near states away.
    time_budget : float or None
        Seconds that each use of level R may take.
    tube_limit : int
        Steps of the tube at most.

    Source: docs/resilience, sections 2 to 7.
    """

    stack: Stack
    input_box: Box
    anomaly_box: Box
    initial_box: Box | None
    split: int
    nominal: InvariantSet
    anomaly: InvariantSet
    levels: Mapping[str, LevelResult]
    witness: Witness | None = None
    time_budget: float | None = None
    tube_limit: int = STEPS
    courses: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def status(self) -> Status:
        """Certified where some rounded λ is below 1, refuted with a witness, undecided otherwise."""
        if any(result.certified for result in self.levels.values()):
            return "certified"
        return "refuted" if self.witness is not None else "undecided"

    @property
    def reachable_only(self) -> bool:
        """Whether it is certified for the states reachable from B0 alone."""
        certified = [result for result in self.levels.values() if result.certified]
        return bool(certified) and all(result.reachable for result in certified)

    @property
    def rate(self) -> float:
        """The least λ over the levels."""
        return min((min(x.rate.rate, x.recovery.rate) for x in self.levels.values()), default=math.inf)

    @cached_property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights."""
        return weights_sha256(self.stack)

    @cached_property
    def initial(self) -> Interval:
        """B0 as an interval."""
        return start_interval(self.stack, self.initial_box)

    @property
    def tube(self) -> Tube | None:
        """X_t and X̄_t, built at the first question; None where a cell box is infinite."""
        if not self.anomaly.finite:
            return None
        if "tube" not in self.courses:
            U, limit = interval(self.input_box), self.tube_limit
            self.courses["tube"] = tube(self.stack, U, self.anomaly.interval, self.nominal.interval, limit)
        found: Tube = self.courses["tube"]
        return found

    def comparison(self, level: str, t: int | None = None) -> Comparison:
        """The map of a level: on S_n (t None), on S_a (t = 0 of a level without a tube) or on X_t of a tube."""
        return comparison(self, level, t)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the certificate as JSON with the SHA-256 of the weights; the weights themselves are not in it."""
        Path(path).write_text(json.dumps(_document(self), indent=1, allow_nan=False), encoding="utf-8")

    @classmethod
    def load(cls, path: str | PathLike[str], cell: Cell | Stack) -> "Certificate":
        """Read a certificate back and prove it again for the network, by interval steps and multiplications alone.

        The boxes are computed again from their recorded starts and step counts, and every rate is checked as
        T(v) <= λ v with the recorded v; nothing is searched for.

        Raises ValueError where the file is no certificate, the weights are others, or a number does not check.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except (UnicodeDecodeError, json.JSONDecodeError):
            raise ValueError(f"path must be a certificate in JSON, got {str(path)!r}") from None
        return _read(document, as_stack(cell))


def comparison(certificate: Certificate, level: str, t: int | None) -> Comparison:
    """See `Certificate.comparison`."""
    stack, kind = certificate.stack, level.removeprefix("tube_")
    if level.startswith("tube_"):
        if certificate.tube is None:
            raise ValueError(f"level must not be {level!r}, as a cell box is infinite")
        k = certificate.tube.steps if t is None else t
        X, after = certificate.tube.box(k), certificate.tube.box(k + 1)
    else:
        X = (certificate.nominal if t is None else certificate.anomaly).interval
        after = X
    if kind in ("D", "S"):
        result = certificate.levels[kind]
        rate = (result.rate if t is None else result.recovery).rate
        return MatrixMap(np.array([[rate]]), np.zeros((1, stack.inputs)), slice(0, 1))
    inputs = inputs_of(stack, interval(certificate.input_box), split(stack, after))
    return stack_map(kind, stack, X, inputs, certificate.initial, certificate.split)


def start_interval(stack: Stack, initial_box: Box | None) -> Interval:
    """B0, {0} where there is none."""
    zero = np.zeros(stack.dimension)
    return Interval(zero, zero) if initial_box is None else interval(initial_box)


def _document(certificate: Certificate) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "weights_sha256": certificate.weights_sha256,
        "status": certificate.status,
        "input_box": _ends(certificate.input_box),
        "anomaly_box": _ends(certificate.anomaly_box),
        "initial_box": None if certificate.initial_box is None else _ends(certificate.initial_box),
        "split": certificate.split,
        "nominal": _set_document(certificate.nominal),
        "anomaly": _set_document(certificate.anomaly),
        "tube_steps": None if certificate.tube is None else certificate.tube.steps,
        "levels": {name: _level_document(result) for name, result in certificate.levels.items()},
        "witness": None if certificate.witness is None else _witness_document(certificate.witness),
    }


def _level_document(result: LevelResult) -> dict[str, Any]:
    proofs = (result.structured, result.recovery_structured)
    kept = {} if proofs == (None, None) else {"structured": [structured_document(proof) for proof in proofs]}
    return {
        "rate": _rate_document(result.rate),
        "recovery": _rate_document(result.recovery),
        "note": result.note,
        "metric": None if result.metric is None else [result.metric.factor.tolist(), result.metric.inverse.tolist()],
        "recovery_metric": None
        if result.recovery_metric is None
        else [result.recovery_metric.factor.tolist(), result.recovery_metric.inverse.tolist()],
        **kept,
    }


def _rate_document(rate: Rate) -> dict[str, Any]:
    return {
        "rate": _number(rate.rate),
        "vector": None if rate.vector is None else rate.vector.tolist(),
        "spectral_radius": _number(rate.spectral_radius),
    }


def _set_document(found: InvariantSet) -> dict[str, Any]:
    return {
        "box": _ends(found.interval),
        "starts": [None if start is None else _ends(start) for start in found.starts],
        "steps": list(found.steps),
    }


def _witness_document(witness: Witness) -> dict[str, Any]:
    return {
        "inputs": witness.inputs.tolist(),
        "first": _ends(witness.first),
        "second": _ends(witness.second),
        "gap": witness.gap,
        "output_gap": witness.output_gap,
        "frame": None if witness.frame is None else witness.frame.tolist(),
        "growing": witness.growing,
    }


def _ends(box: Box | Interval) -> list[list[float | str]]:
    return [[_number(x) for x in end.tolist()] for end in (box.lower, box.upper)]


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def _read(document: Any, stack: Stack) -> Certificate:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"path must be a file with format {FORMAT!r}, got another")
    wanted, got = document.get("weights_sha256"), weights_sha256(stack)
    if wanted != got:
        raise ValueError(f"cell must have the weights of the certificate, SHA-256 {wanted}, got {got}")
    try:
        return _proved(document, stack)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"path must be a whole certificate, got one that fails at {error}") from None


def _proved(document: dict[str, Any], stack: Stack) -> Certificate:
    U, Ua = Box(*_pair(document["input_box"])), Box(*_pair(document["anomaly_box"]))
    initial = None if document["initial_box"] is None else Box(*_pair(document["initial_box"]))
    start = initial_interval(stack, initial)
    if not U.dimension == Ua.dimension == stack.inputs:
        raise ValueError(f"certificate must have boxes of {stack.inputs} inputs, got {U.dimension} and {Ua.dimension}")
    if not Ua.includes(U):
        raise ValueError("certificate must have its input box inside its anomaly box, got another")
    nominal, anomaly = _read_set(document["nominal"]), _read_set(document["anomaly"])
    Sa = replay(stack, interval(Ua), start, anomaly)
    Sn = replay(stack, interval(U), start, nominal) & Sa
    for name, saved, again in (("nominal", nominal, Sn), ("anomaly", anomaly, Sa)):
        _same_box(name, saved.interval, again)
    nominal = InvariantSet(Sn, nominal.starts, nominal.steps)
    anomaly = InvariantSet(Sa, anomaly.starts, anomaly.steps)
    steps = document["tube_steps"]
    boxes = (Sa, interval(U), interval(Ua), start)
    for name in document["levels"]:
        if name not in LEVELS or not available(stack, name):
            raise ValueError(f"certificate must hold levels from {', '.join(LEVELS)} of its network, got {name!r}")
    levels = {name: _read_level(entry, stack, boxes) for name, entry in document["levels"].items()}
    witness = _read_witness(document["witness"])
    proved = Certificate(
        *(
            stack,
            U,
            Ua,
            initial,
            _check.integer("split of the certificate", document["split"], 1),
            nominal,
            anomaly,
            levels,
            witness,
        ),
        tube_limit=STEPS if steps is None else int(steps),
    )
    for name, result in levels.items():
        _check_level(proved, name, result)
    if witness is not None and not witness_holds(stack, witness, interval(U), Sn, Sa):
        raise ValueError("certificate must hold a witness whose trajectories stay apart, got one that does not")
    if document["status"] != proved.status:
        raise ValueError(
            f"certificate must have the status {proved.status!r} of its numbers, got {document['status']!r}"
        )
    return proved


def _check_level(certificate: Certificate, name: str, result: LevelResult) -> None:
    for word, t, rate, found in (
        ("nominal", None, result.rate, result.metric),
        ("recovery", 0, result.recovery, result.recovery_metric),
    ):
        if not math.isfinite(rate.rate):
            continue
        if name == "D":
            cell = certificate.stack.layers[0]
            if found is None or not isinstance(cell, LSTMCell):
                raise ValueError("certificate must hold the metric of level D, got none")
            box = certificate.nominal if t is None else certificate.anomaly
            seen = found.rate(signed_jacobian(cell, box.interval, interval(certificate.input_box)))
        elif name == "S":
            proof = result.structured if t is None else result.recovery_structured
            seen = math.inf if proof is None else float(proof.rates[-1])
        else:
            at = None if name.startswith("tube_") else t
            kind = _stand_in(name, result.note)
            if rate.vector is None or not (rate.vector > 0).all():
                raise ValueError(f"certificate must hold a positive vector at level {name}, got none")
            seen = verified_rate(certificate.comparison(kind, at), rate.vector) / (1 + 1e-12)
        if not seen <= rate.rate:
            raise ValueError(f"certificate must hold at level {name}, {word}: rate {rate.rate!r}, got {seen!r}")


def _stand_in(name: str, note: str) -> str:
    """The level whose map proves the rate: C where the time budget of R ran out."""
    return name.replace("R", "C") if "level C instead" in note else name


def _read_level(
    entry: dict[str, Any], stack: Stack, boxes: tuple[Interval, Interval, Interval, Interval]
) -> LevelResult:
    metrics = [
        None if entry[key] is None else checked_metric(*(np.array(part, dtype=float) for part in entry[key]))
        for key in ("metric", "recovery_metric")
    ]
    rates = (_read_rate(entry["rate"]), _read_rate(entry["recovery"]))
    first, second = _read_proofs(entry.get("structured"), stack, boxes)
    return LevelResult(*rates, str(entry["note"]), metrics[0], metrics[1], first, second)


def _read_proofs(
    entry: Any, stack: Stack, boxes: tuple[Interval, Interval, Interval, Interval]
) -> tuple[StructuredProof | None, StructuredProof | None]:
    """Both proofs of level S, from U and from U_a; one that starts from S_a serves twice."""
    if entry is None:
        return None, None
    cell = stack.layers[0]
    if len(stack.layers) != 1 or not isinstance(cell, LSTMCell):
        raise ValueError(f"certificate must be of a single LSTM to hold level S, got {stack!r}")
    first, second = entry
    recovery = read_structured(second, cell, boxes)
    if first == second:
        return recovery, recovery
    X, U, _, start = boxes
    return read_structured(first, cell, (X, U, U, start)), recovery


def _read_rate(entry: dict[str, Any]) -> Rate:
    vector = None if entry["vector"] is None else np.array(entry["vector"], dtype=float)
    return Rate(float(entry["rate"]), vector, float(entry["spectral_radius"]))


def _read_set(entry: dict[str, Any]) -> InvariantSet:
    starts = tuple(None if start is None else Interval(*_pair(start)) for start in entry["starts"])
    return InvariantSet(Interval(*_pair(entry["box"])), starts, tuple(int(k) for k in entry["steps"]))


def _read_witness(entry: dict[str, Any] | None) -> Witness | None:
    if entry is None:
        return None
    first, second = (Interval(*_pair(entry[key])) for key in ("first", "second"))
    frame = entry.get("frame")
    return Witness(
        np.array(entry["inputs"], dtype=float),
        first,
        second,
        float(entry["gap"]),
        float(entry.get("output_gap", 0.0)),
        None if frame is None else np.array(frame, dtype=float),
        int(entry.get("growing", 0)),
    )


def _pair(ends: Any) -> tuple[Array, Array]:
    low, high = (np.array([float(x) for x in end]) for end in ends)
    return low, high


def _same_box(name: str, saved: Interval, again: Interval) -> None:
    for old, new in ((saved.lower, again.lower), (saved.upper, again.upper)):
        if old.shape != new.shape or not np.allclose(old, new, rtol=NEAR, atol=NEAR):
            raise ValueError(f"certificate must hold the {name} box that its network has, got another")
