"""torch's own recurrent kernels on weights that need not belong to a module, with exact products on a GPU."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


def layer_run(
    kind: type[nn.LSTM] | type[nn.GRU],
    weights: dict[str, Tensor],
    inputs: Tensor,
    start: Tensor | tuple[Tensor, Tensor],
) -> Any:
    """torch's own kernel of one layer: outputs (N, T, n) and the last state, as `kind` returns them.

    Parameters
    ----------
    kind : LSTM or GRU of torch.nn
    weights : dict
        weight_ih_l0, weight_hh_l0 and both biases.
    inputs : (N, T, m)
        T >= 1.
    start : (1, N, n), or a pair (h, c) of them
    """
    like = weights["weight_hh_l0"]
    shell = kind(inputs.shape[2], like.shape[1], batch_first=True, device="meta", dtype=like.dtype)
    parts = (inputs, *(start if isinstance(start, tuple) else (start,)), *weights.values())
    shell.train(torch.is_grad_enabled() and any(part.requires_grad for part in parts))  # what cuDNN keeps depends on it
    with exact_products() if inputs.is_cuda else nullcontext():
        return torch.func.functional_call(shell, weights, (inputs, start))


@contextmanager
def exact_products() -> Iterator[None]:
    """cuDNN cuts the factors of float32 products to TF32 unless told otherwise, and wants the weights in one piece.

    Nothing is touched where they are not cut.  Where they are, torch tells the precision of recurrent kernels in force,
    not whether it was set for them or for all: afterwards theirs is set, and follows torch.backends.fp32_precision no
    more.  Who wants exact products everywhere says so before the first run.
    """
    cudnn: Any = torch.backends.cudnn
    chosen = getattr(cudnn.rnn, "fp32_precision", None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
        if chosen is None:  # torch before 2.9 has one switch for all of cuDNN
            with cudnn.flags(cudnn.enabled, cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False):
                yield
        elif chosen != "tf32":
            yield
        else:
            cudnn.rnn.fp32_precision = "ieee"
            try:
                yield
            finally:
                cudnn.rnn.fp32_precision = chosen
