"""What turns claims into verdicts: draws, decisions, runs, and the file that keeps them."""
