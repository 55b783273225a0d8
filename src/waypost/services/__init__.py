"""One package per AWS service; they meet only through ``Calls``."""
