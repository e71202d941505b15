"""python docs/screenshots.py: writes docs/images/*.svg, what `chainenv status` and `chainenv plan` show, from a real run on this machine.

Starts a control plane, a Baseten simulator and the operator, and gives the commands a terminal of their own.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml
from rich.console import Console
from rich.text import Text

from chainenv_sandbox.baseten.process import start_simulator
from chainenv_sandbox.controlplane import ControlPlane
from chainenv_sandbox.processes import Child
from chainenv_sandbox.up import ESTABLISHED, neutral_environment

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
COLUMNS = 110
FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture fetches nothing: the reader's own monospace font does."""
KEY = "sandbox-key"
CHAINENV = str(Path(sys.executable).with_name("chainenv"))
SAMPLE, CHANGED = "deploy/samples/staging.yaml", "deploy/samples/staging-new-instance-types.yaml"
CONTROLLED = {
    "rollout": {"approval": "Manual"},
    "budget": {"maxUSDPerHour": "50.00"},
    "autoscalingSchedules": [
        {
            "name": "office-hours",
            "weekdays": ["Mon", "Tue", "Wed", "Thu", "Fri"],
            "start": "07:45",
            "end": "19:00",
            "timeZone": "Europe/Berlin",
            "chainletSettings": [{"chainletName": "HelloWorld", "autoscalingSettings": {"minReplica": 4, "maxReplica": 20}}],
        }
    ],
}
"""What the planned manifest has beside other instance types: a gate, a budget, a schedule."""
AT = "2026-12-01T10:00Z"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        ControlPlane.start() as plane,
        start_simulator(keys={"default": KEY}) as simulator,
    ):
        plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        plane.kubectl("wait", ESTABLISHED, "--timeout=60s", "-f", str(ROOT / "crds"))
        settings = {"KUBECONFIG": str(plane.kubeconfig), "BASETEN_BASE_URL": simulator.base_url, "BASETEN_API_KEY": KEY}
        environment = {**neutral_environment(), **settings, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
        command = [CHAINENV, "run", "--progress-seconds=1", "--poll-seconds=5", "--metrics-port=0", "--probe-port=0"]
        operator = Child("operator", command, log=Path(directory) / "log", env=environment)
        try:
            plane.kubectl("apply", "-f", str(ROOT / SAMPLE))
            shown(["wait", "staging", "--timeout", "2m"], environment)
            picture("status", ["status", "staging"], environment)
            manifest = yaml.safe_load((ROOT / CHANGED).read_text(encoding="utf-8"))
            manifest["spec"] |= CONTROLLED
            (Path(directory) / "staging.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
            picture("plan", ["plan", "-f", "staging.yaml", "--at", AT], environment, Path(directory))
        finally:
            operator.stop()


def picture(name: str, arguments: Sequence[str], environment: dict[str, str], directory: Path = ROOT) -> None:
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
    console.print(Text.from_ansi(shown(arguments, environment, directory)))
    title = " ".join(["chainenv", *arguments])
    svg = FONT.sub("", console.export_svg(title=title, unique_id=name))
    (IMAGES / f"{name}.svg").write_text(svg, encoding="utf-8")


def shown(arguments: Sequence[str], environment: dict[str, str], directory: Path = ROOT) -> str:
    """What a terminal shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([CHAINENV, *arguments], cwd=directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:  # noqa: S603
        os.close(theirs)
        text = bytearray()
        with contextlib.suppress(OSError):  # Linux' way of saying that the other end is closed
            while data := os.read(ours, 65536):
                text += data
        os.close(ours)
    if process.returncode not in (0, 2):
        sys.exit(text.decode())
    return text.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
