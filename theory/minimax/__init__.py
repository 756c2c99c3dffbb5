"""Minimax convergence: conditions on a loss, constants, step sizes and rates for GANs and domain adaptation."""

from .conditions import Condition, Conditions, conditions
from .dirac_gan import DiracGAN, dirac_gan
from .gan_linearisation import GANLinearisation, alternating_threshold, gan_linearisation, r1_threshold
from .generator_constants import (
    GeneratorConstants,
    generator_constants,
    hidden_norm_bounds,
    linear_generator_constants,
)
from .kernel_constants import KernelConstants, kernel_constants, penalised_constants
from .kernel_profile import KernelProfile, kernel_profile
from .loss_table import gaussian_pair
from .lq_gan import LinearQuadraticGAN, lq_gan
from .mesh_rates import MeshRates, exact_critic_bound, mesh_rates
from .mirror_descent import MirrorDescentBound, mirror_descent_bound
from .modes import ModeRate, mode_polynomial, mode_rate, mode_roots, stable
from .ncsc_bound import NCSCBound, ncsc_bound, quadratic_threshold
from .network_critic import CriticConstants, critic_constants
from .optimal_steps import OptimalSteps, monotone_steps, optimal_steps
from .single_loop import SingleLoopStep, single_loop_step
from .smoothness import (
    OuterSmoothness,
    RegionCertificate,
    descent_bound,
    least_gradient_bound,
    outer_smoothness,
    particle_smoothness,
    region_certificate,
)
from .step_threshold import step_threshold
from .uda_smoothness import UDASmoothness, transfer_bound, uda_smoothness
from .update_map import (
    NeutralDirections,
    UpdateSpectrum,
    neutral_directions,
    update_map,
    update_spectrum,
)

__all__ = [
    "Condition",
    "Conditions",
    "CriticConstants",
    "DiracGAN",
    "GANLinearisation",
    "GeneratorConstants",
    "KernelConstants",
    "KernelProfile",
    "LinearQuadraticGAN",
    "MeshRates",
    "MirrorDescentBound",
    "ModeRate",
    "NCSCBound",
    "NeutralDirections",
    "OptimalSteps",
    "OuterSmoothness",
    "RegionCertificate",
    "SingleLoopStep",
    "UDASmoothness",
    "UpdateSpectrum",
    "alternating_threshold",
    "conditions",
    "critic_constants",
    "descent_bound",
    "dirac_gan",
    "exact_critic_bound",
    "gan_linearisation",
    "gaussian_pair",
    "generator_constants",
    "hidden_norm_bounds",
    "kernel_constants",
    "kernel_profile",
    "least_gradient_bound",
    "linear_generator_constants",
    "lq_gan",
    "mesh_rates",
    "mirror_descent_bound",
    "mode_polynomial",
    "mode_rate",
    "mode_roots",
    "monotone_steps",
    "ncsc_bound",
    "neutral_directions",
    "optimal_steps",
    "outer_smoothness",
    "particle_smoothness",
    "penalised_constants",
    "quadratic_threshold",
    "r1_threshold",
    "region_certificate",
    "single_loop_step",
    "stable",
    "step_threshold",
    "transfer_bound",
    "uda_smoothness",
    "update_map",
    "update_spectrum",
]
