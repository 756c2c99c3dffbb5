"""What is true: exact values, bounds and expansions, from NumPy, SciPy and SymPy alone."""
