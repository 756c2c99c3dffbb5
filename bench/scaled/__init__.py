"""The series that `scaling.py` times, a module a subject."""
