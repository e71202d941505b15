"""Other people's tools that the tests ask: helm, promtool, prometheus, actionlint, `judge` (Argo CD's Lua, Flux's
kstatus) and `argodiff` (Argo CD's comparison).

Each is built from a folder with go.mod and go.sum, which name its version and hold everything it needs; see `build.py`.
`crds` is the odd one: nothing is built, a few CustomResourceDefinitions are taken out of the modules named there.
"""

from chainenv_sandbox.gotools.build import ensure_crds, ensure_tool
from chainenv_sandbox.gotools.tools import CRDS, TOOLS

__all__ = ["CRDS", "TOOLS", "ensure_crds", "ensure_tool"]
