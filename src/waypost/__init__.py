"""Waypost: queues, workflows and functions on your own machines, behind the AWS wire protocols."""

__version__ = "0.1.0"
