# ruff: noqa: INP001 (started by path, never imported as part of Waypost)
"""Start of a Python function environment: ``bootstrap.py PACKAGES HANDLER [LAYERS...]``, run with -S.

Puts AWS's runtime client (awslambdaric, as it is on PyPI) on the path, and nothing of the server; then hands over.
"""

import builtins
import os
import sys

_packages, _handler, *_layers = sys.argv[1:]
_here = sys.path.pop(0)
# Functions may not write beside their code, on Lambda neither.
sys.dont_write_bytecode = True
# After the standard library, as on Lambda. The last entry holds a pure Python transport, which is found only where
# the compiled one is for another version of Python.
sys.path += [_packages, os.path.join(_here, "fallback")]  # noqa: PTH118 (pathlib costs 5 ms here)

from _sitebuiltins import Quitter  # noqa: E402

builtins.exit = Quitter("exit", "Ctrl-D (i.e. EOF)")
builtins.quit = Quitter("quit", "Ctrl-D (i.e. EOF)")

from awslambdaric.__main__ import main  # noqa: E402

# Last of all the function's own code, before everything else, and its layers behind it: what it brings wins.
sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], *_layers]
sys.argv = ["awslambdaric", _handler]
main(sys.argv)
