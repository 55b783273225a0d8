"""Start a server, run the order-inventory example against it as any client would, stop the server.

``make demo``. The exit code is the example's, or 2 when the server does not start.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "order-inventory" / "run.py"
READY = " ready on "
STOP_LIMIT_S = 30


def start(data: Path, log: Path) -> tuple[subprocess.Popen[str], str]:
    """``waypost serve`` on a free port; answers the process and its address once it is healthy."""
    command = [str(Path(sys.executable).with_name("waypost")), "serve", "--port", "0", "--data", str(data)]
    with log.open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert server.stdout is not None
    line = server.stdout.readline()
    if READY not in line:
        server.wait()
        raise RuntimeError(f"the server did not start: {log.read_text().strip()}")
    print(line.strip(), flush=True)
    url = line.partition(READY)[2].partition(",")[0].strip()
    with urllib.request.urlopen(f"{url}/_waypost/health", timeout=10) as answer:
        if json.load(answer)["status"] != "ready":
            raise RuntimeError("the server is not healthy")
    return server, url


def client_environment(url: str) -> dict[str, str]:
    """What a stock client needs, and nothing else: no setting of this checkout, no AWS profile of this person."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def stop(server: subprocess.Popen[str]) -> None:
    """SIGTERM, and SIGKILL if that does not help."""
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if server.stdout is not None:
        server.stdout.close()


def demo(folder: Path, arguments: list[str]) -> int:
    """Run the example against a server that keeps its data in ``folder``; answers the exit code."""
    log = folder / "server.log"
    try:
        server, url = start(folder / "data", log)
    except (RuntimeError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    try:
        code = subprocess.run(
            [sys.executable, str(EXAMPLE), *arguments], env=client_environment(url), check=False
        ).returncode
    finally:
        stop(server)
    if code != 0:
        print(f"demo: the example failed; what the server said:\n{log.read_text()[-4000:]}", file=sys.stderr)
    return code


def main() -> int:
    """Parse the command line; answers the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], epilog="Other arguments go to the example."
    )
    parser.add_argument("--folder", type=Path, help="keep the server's data and log here (default: a temporary folder)")
    known, others = parser.parse_known_args()
    if known.folder is not None:
        known.folder.mkdir(parents=True, exist_ok=True)
        return demo(known.folder, others)
    with tempfile.TemporaryDirectory(prefix="waypost-demo-") as folder:
        return demo(Path(folder), others)


if __name__ == "__main__":
    sys.exit(main())
