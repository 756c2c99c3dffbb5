"""What others say, and what we say: a module a paper, its claims tested by simulation."""
