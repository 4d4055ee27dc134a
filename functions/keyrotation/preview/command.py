"""Where `access-key-preview` begins: the package installs on older Pythons than the rotation runs on."""

import sys


def run() -> int:
    """Returns the exit code."""
    if sys.version_info < (3, 11):
        sys.stderr.write("access-key-preview needs Python 3.11 or newer (pipx: --python python3.11)\n")
        return 1
    from keyrotation.preview.__main__ import run as preview  # noqa: PLC0415  # an older Python cannot read it

    return preview()
