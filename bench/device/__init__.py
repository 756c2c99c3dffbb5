"""The rows of `gpu.py`, a module a subject, and how they are timed."""
