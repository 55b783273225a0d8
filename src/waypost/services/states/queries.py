"""The statements of Step Functions."""

from waypost.store.queries import load

Q = load(__package__)
