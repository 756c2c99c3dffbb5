"""Networks that tests of the command line save and hand over."""

import torch

# docs/resilience, cases R2 and R6 of the references
BLOCKS = {  # i, f, g, o of one unit
    "weight_ih_l0": [[0.5], [0.25], [1.0], [0.5]],
    "weight_hh_l0": [[0.25], [-0.2], [-0.3], [0.2]],
    "bias_ih_l0": [0.0, -0.25, 0.25, 0.0],
    "bias_hh_l0": [0.0, -0.25, 0.0, 0.0],
}
BISTABLE = {
    "weight_ih_l0": [[0.0], [0.0], [0.5], [0.0]],
    "weight_hh_l0": [[0.0], [0.0], [3.0], [0.0]],
    "bias_ih_l0": [4.0, 3.0, 0.0, 4.0],
    "bias_hh_l0": [0.0, 0.0, 0.0, 0.0],
}
QUICK = ("--search", "0")


def tensors(weights, prefix=""):
    return {f"{prefix}{name}": torch.tensor(value, dtype=torch.float64) for name, value in weights.items()}


class Reader(torch.nn.Module):
    """A trained network as people have them."""

    def __init__(self, layers=1, kind=torch.nn.LSTM, scale=0.2):
        super().__init__()
        self.memory = kind(2, 3, num_layers=layers)
        self.head = torch.nn.Linear(3, 1)
        generator = torch.Generator().manual_seed(5)
        for weight in self.parameters():
            weight.data = scale * (2 * torch.rand(weight.shape, generator=generator) - 1)
