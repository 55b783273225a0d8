"""The whole-server benchmark: Waypost beside its peers and a bare HTTP floor, on one machine, in one run."""
