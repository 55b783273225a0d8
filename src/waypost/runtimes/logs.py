"""Lines of functions, as files by log group and stream, until CloudWatch Logs keeps them."""

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

log = logging.getLogger(__name__)


class FunctionLogs:
    """Appends lines in a thread of its own: a slow disk delays no invocation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: deque[tuple[str, str, list[tuple[int, str]]]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="logs")
        self._writing = False

    def __call__(self, log_group: str, stream: str, lines: list[tuple[int, str]]) -> None:
        """Take lines, each with its ms since epoch; they are in the file soon after."""
        self._lines.append((log_group, stream, lines))
        if not self._writing:
            self._writing = True
            self._thread.submit(self._write)

    def _write(self) -> None:
        # Cleared first: lines that come while this runs are either taken here or start another run.
        self._writing = False
        texts: dict[tuple[str, str], list[str]] = {}
        while self._lines:
            log_group, stream, lines = self._lines.popleft()
            text = texts.setdefault((log_group, stream), [])
            text.extend(f"{at_ms} {line.rstrip()}\n" for at_ms, line in lines)
        for (log_group, stream), text in texts.items():
            file = self._folder / log_group.strip("/") / (stream.replace("/", "-") + ".log")
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("a", encoding="utf-8", errors="backslashreplace") as out:
                    out.writelines(text)
            except OSError as error:
                log.warning("cannot write the function log %s: %s", file, error)

    def close(self) -> None:
        """Write what is left."""
        self._thread.shutdown()
