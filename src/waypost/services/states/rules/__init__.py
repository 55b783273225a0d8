"""Decisions without effects."""
