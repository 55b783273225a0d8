"""Lambda's decisions: pure."""
