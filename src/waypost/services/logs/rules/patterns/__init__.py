"""Filter patterns: words, space-delimited fields, JSON, regular expressions.

Source: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html and its pages. What they leave open
is said where it is decided.
"""

from waypost.services.logs.rules.patterns.compiler import Pattern, compile_pattern

__all__ = ["Pattern", "compile_pattern"]
