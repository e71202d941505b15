"""python -m chainenv_sandbox.gotools [NAME...]: build what is missing, and print where each tool lies."""

from __future__ import annotations

import sys

from chainenv_sandbox.controlplane import BinariesError
from chainenv_sandbox.gotools.build import ensure_all

if __name__ == "__main__":
    try:
        for name, place in ensure_all(sys.argv[1:]):
            print(f"{name}\t{place}")
    except BinariesError as error:
        sys.exit(str(error))
