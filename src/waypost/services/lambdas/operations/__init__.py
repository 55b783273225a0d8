"""One function per AWS operation, by resource."""
