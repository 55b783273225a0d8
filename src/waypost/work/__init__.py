"""Durable background work: one table of jobs, and the loop that runs operations to their end."""
