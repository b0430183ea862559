"""Starts Bytewax's runner so that files in the start directory cannot take the place of Waybill's packages.

    python -P -m flows.runtime.launch "flows.delivery:flow()" -r … -s 1 -b 0

``-P`` keeps the start directory off the path, but the runner puts it in front again. What is imported by then stays as
it is, so this module imports Waybill's packages, and the flow with all it needs, before the runner starts. Users'
modules are imported in the processes of insert functions only (`flows.functions.child`).
"""

import runpy
import sys
from importlib import import_module

from bytewax import run

OWN_PACKAGES = ("model", "sinks", "flows")


def main() -> None:
    """Run ``bytewax.run`` as a program, with the arguments of this process."""
    for package in OWN_PACKAGES:
        import_module(package)
    flow = sys.argv[1].partition(":")[0]
    import_module(f"{flow}.dataflow")
    runpy.run_path(run.__file__, run_name="__main__")


if __name__ == "__main__":
    main()
