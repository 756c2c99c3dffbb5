"""The same again in torch: batched, differentiable, on any device."""
