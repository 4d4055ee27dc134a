"""An emulated AWS account on this machine: the real stack, the real CLI, nothing that reaches AWS."""

import sys
from pathlib import Path

# What is remembered is written in the product's own words (sandbox/cast.py).
sys.path.append(str(Path(__file__).resolve().parents[1] / "functions"))
