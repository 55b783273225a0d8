"""What STS decides, without a store: tags that pass on, and how much a session carries."""
