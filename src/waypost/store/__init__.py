"""Where every acknowledged byte is kept."""
