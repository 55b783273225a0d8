"""Every statement of the service."""

from waypost.store.queries import load

Q = load(__package__)
