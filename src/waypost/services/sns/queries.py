"""Statements of topics, subscriptions and publishing."""

from waypost.store.queries import load

Q = load(__package__)
