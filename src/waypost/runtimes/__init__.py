"""Function execution: worker processes that speak the Lambda Runtime API. The only code that starts processes.

``environments.Runtimes`` is what the server uses. Beneath it, from the whole to the part: ``environment`` (one worker
and its invocation), ``process`` (start, limits, end), ``runtime_api`` (HTTP), ``code`` (unpacked zips),
``interpreters`` (which program runs which runtime), ``output`` and ``documents`` (log lines, error payloads);
``install`` gets what Node.js functions need. ``python/`` and ``node/`` hold the code that runs inside the workers.
"""
