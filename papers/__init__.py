"""Claims of papers, each beside a simulation that could contradict it; `run` examines them, or a reader's own.

from lemmata.papers import Case, Claim, FalseVariant, Relation, run
"""

from .engine.campaign import Campaign, run
from .engine.claim import BoundedDraws, Case, Claim, FalseVariant, Relation, Sighting
from .engine.evidence import Evidence
from .engine.profile import PROFILES, Profile
from .engine.verdict import Verdict
from .sweeps.sweep import sweep

__all__ = [
    "PROFILES",
    "BoundedDraws",
    "Campaign",
    "Case",
    "Claim",
    "Evidence",
    "FalseVariant",
    "Profile",
    "Relation",
    "Sighting",
    "Verdict",
    "run",
    "sweep",
]
