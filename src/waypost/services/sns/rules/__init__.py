"""SNS's decisions: no store, no time, no randomness."""
