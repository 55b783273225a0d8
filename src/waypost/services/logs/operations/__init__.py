"""The operations, by resource."""
