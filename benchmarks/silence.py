"""How long each verb says nothing on a terminal: the longest time without a visible character, and the whole run.

Every verb runs in a pseudo terminal, on the photographs of `twinspect demo`. `--against COMMIT` runs the same verbs
of another commit, in turns; `--cold` first takes the installed packages out of the file cache, as after a restart of
the machine (Linux). `python benchmarks/silence.py --against HEAD~20 --cold`
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from twinspect.data.demo import write_demo

ROOT = Path(__file__).resolve().parents[1]
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\s")
"""What a terminal shows nothing for."""
READY = b"http://"
SERVED_SECONDS = 1.0
"""How long a server is left running once it has printed its address."""
QUICK = "--teacher pocket --size 64"


def commands(data: Path, out: Path) -> dict[str, str]:
    """List the command of each verb; later ones use what earlier ones wrote."""
    good, model = data / "brick" / "train" / "good", out / "a.twin"
    return {
        "--help": "--help",
        "mistyped option": f"fit {good} --out {out}/b.twin --mehtod rd",
        "mistyped setting": f"fit {good} --out {out}/b.twin --method rd --sigam 3",
        "methods": "methods rd",
        "teachers": "teachers",
        "doctor": f"doctor {data / 'brick'}",
        "synth": f"synth {good} --out {out}/synth.png",
        "fit": f"fit {good} --out {model} --method rd {QUICK} --steps 20",
        "score": f"score {model} {data / 'brick' / 'test'}",
        "plan": f"plan {model} {data / 'brick' / 'test'}",
        "evaluate": f"evaluate {model} {data / 'brick'} --out {out}/report",
        "calibrate": f"calibrate {model} {good}",
        "export": f"export {model} --to onnx",
        "join": f"join {model} {model} --good {good} --out {out}/joined.twin",
        "serve": f"serve {model} --port 0 --data {out}/inspections",
        "watch": f"watch {good} --model {model} --once --data {out}/watched",
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", metavar="COMMIT", help="the commit to compare with")
    parser.add_argument("--cold", action="store_true", help="read the packages from disk")
    parser.add_argument("--only", nargs="+", metavar="VERB", help="measure these; what they need is run too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_demo(scratch / "data", 0)
        sources = {"now": ROOT / "src"}
        if options.against:
            checkout = scratch / "against"
            git = ["git", "-C", str(ROOT), "worktree"]
            subprocess.run(
                [*git, "add", "--detach", str(checkout), options.against], check=True, capture_output=True
            )
            sources = {options.against: checkout / "src", **sources}
        try:
            measure(scratch, sources, options)
        finally:
            if options.against:
                subprocess.run([*git, "remove", "--force", str(checkout)], check=True)


def measure(scratch: Path, sources: dict[str, Path], options: argparse.Namespace) -> None:
    """Run every verb of every commit, in turns, and print one line a verb."""
    print(f"{'':18s}" + "".join(f"{name[:20]:>26s}" for name in sources))
    print(f"{'seconds':18s}" + f"{'longest silence':>18s}{'whole':>8s}" * len(sources))
    for verb in commands(scratch, scratch):
        cells = []
        for number, source in enumerate(sources.values()):
            out = scratch / f"out{number}"
            out.mkdir(exist_ok=True)
            if options.cold:
                drop_file_cache()
            silence, whole = run(commands(scratch / "data", out)[verb].split(), source, out)
            cells.append(f"{silence:18.2f}{whole:8.2f}")
        if not options.only or verb in options.only:
            print(f"{verb:18s}" + "".join(cells), flush=True)


def run(arguments: list[str], source: Path, out: Path) -> tuple[float, float]:
    """Run one command in a terminal; return its longest silence and how long it took, in seconds."""
    environment = {**os.environ, "PYTHONPATH": str(source), "TERM": "xterm", "COLUMNS": "100"}
    began = last = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(out)
        os.execve(sys.executable, [sys.executable, "-m", "twinspect", *arguments], environment)
    longest, seen = 0.0, b""
    while chunk := read(terminal):
        if CONTROL.sub(b"", chunk):
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        seen += chunk
        if arguments[0] == "serve" and re.search(READY + rb".*Ctrl-C", seen):
            time.sleep(SERVED_SECONDS)
            os.kill(child, signal.SIGTERM)
            last, arguments = time.monotonic(), ["stopping"]
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 2):
        sys.exit(f"{' '.join(arguments)} failed:\n{seen.decode(errors='replace')}")
    end = time.monotonic()
    return max(longest, end - last), end - began


def read(terminal: int) -> bytes:
    """Read what the command wrote; nothing once it has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux: the other end is closed
        return b""


def drop_file_cache() -> None:
    """Take the installed packages out of the file cache."""
    for name in ("stdlib", "purelib"):
        for path in Path(sysconfig.get_path(name)).rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
