"""For tests of programs that use Waypost, and for its own: shipped on purpose."""
