"""Decisions of SQS: pure functions over plain values."""
