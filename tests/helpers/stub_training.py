"""What a studio runs instead of ``python -m twinspect`` in tests: quick, and told by the environment how it ends.

Run as a program. It makes STUB_STEPS steps of 20 ms, keeps the number of those made where a training keeps its
checkpoints, and then copies STUB_MODEL to where the model is to be. With STUB_ERROR it fails; with STUB_DIES it ends
so many times as if it was killed; with STUB_ERROR_LATER all but a product's first training fail.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> None:
    verb = arguments[0]
    if message := os.environ.get("STUB_ERROR"):
        sys.exit(f"twinspect: error: {message}")
    if verb in ("fit", "update"):
        out = Path(arguments[arguments.index("--out") + 1])
        if "STUB_ERROR_LATER" in os.environ and any(out.parent.glob("*.twin")):
            sys.exit(f"twinspect: error: {os.environ['STUB_ERROR_LATER']}")
        train(out)
    elif verb == "evaluate":
        out = Path(arguments[arguments.index("--out") + 1])
        out.mkdir(parents=True)
        tested = sorted(path.name for path in Path(arguments[2]).rglob("*.png"))
        (out / "report.html").write_text("\n".join(tested))
    elif verb == "export":
        export = Path(arguments[1]) / "exports" / f"{arguments[arguments.index('--to') + 1]}-fp32"
        export.mkdir(parents=True)
        (export / "export.json").write_text("{}")


def train(out: Path) -> None:
    kept = out.with_name(out.name + ".checkpoint") / "steps"
    kept.parent.mkdir(parents=True, exist_ok=True)
    deaths = kept.with_name("deaths")
    died = int(deaths.read_text()) if deaths.exists() else 0
    done = int(kept.read_text()) if kept.exists() else 0
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    while done < int(os.environ.get("STUB_STEPS", "1")):
        time.sleep(0.02)
        done += 1
        kept.write_text(str(done))
        if died < int(os.environ.get("STUB_DIES", "0")):
            deaths.write_text(str(died + 1))
            os.kill(os.getpid(), signal.SIGKILL)
        if stopped:
            sys.exit(130)
    (out.parent / "steps-made").write_text(str(done))
    shutil.rmtree(kept.parent)
    shutil.copytree(os.environ["STUB_MODEL"], out)


if __name__ == "__main__":
    main(sys.argv[1:])
