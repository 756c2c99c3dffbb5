"""Claims of papers, each beside a simulation that could contradict it; `run` examines them, or a reader's own.

from lemmata.papers import Case, Claim, FalseVariant, Relation, run
"""

from .campaign import Campaign, run
from .claim import BoundedDraws, Case, Claim, FalseVariant, Relation, Sighting
from .evidence import Evidence
from .profile import PROFILES, Profile
from .verdict import Verdict

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
]
