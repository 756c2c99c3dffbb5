"""Minimax games of networks in torch: does your own GAN converge, what would make it, which steps hold a promise?"""

from .adaptation import AdaptationCertificate, AdaptationRun, adapt, adaptation_certificate
from .adversarial_adaptation import adapt_adversarially, reverse_gradient
from .critics import KernelCritic, ridge_critic, ridge_loss, squared_mmd
from .decay import Decay
from .descent import DescentRun, descend
from .diagnose import diagnose
from .diagnosis import Diagnosis
from .game_constants import GameConstants
from .inf_convolution import InfConvolution, inf_convolution
from .kernel_sums import KernelSums, kernel_sums
from .local_thresholds import LocalThresholds
from .networks import critic_network, generator_network
from .particle_step import particle_step
from .penalties import r1, r2, wgan_gp
from .picture import draw
from .repair import Repair
from .smoothness_certificate import SmoothnessCertificate, smoothness_certificate
from .spectral_norm import SpectralNormBounds, spectral_norm, spectral_norm_bounds, spectral_normalise
from .training import GameRun, train

__all__ = [
    "AdaptationCertificate",
    "AdaptationRun",
    "Decay",
    "DescentRun",
    "Diagnosis",
    "GameConstants",
    "GameRun",
    "InfConvolution",
    "KernelCritic",
    "KernelSums",
    "LocalThresholds",
    "Repair",
    "SmoothnessCertificate",
    "SpectralNormBounds",
    "adapt",
    "adapt_adversarially",
    "adaptation_certificate",
    "critic_network",
    "descend",
    "diagnose",
    "draw",
    "generator_network",
    "inf_convolution",
    "kernel_sums",
    "particle_step",
    "r1",
    "r2",
    "reverse_gradient",
    "ridge_critic",
    "ridge_loss",
    "smoothness_certificate",
    "spectral_norm",
    "spectral_norm_bounds",
    "spectral_normalise",
    "squared_mmd",
    "train",
    "wgan_gp",
]
