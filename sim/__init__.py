"""What is seen: Monte Carlo on the CPU, with errors."""
