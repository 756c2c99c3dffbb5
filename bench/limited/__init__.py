"""The kernels that `limits.py` measures, and how their operations are counted."""
