"""The version of what is deployed, as pyproject.toml has it."""

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]
VERSION: str = _PROJECT["version"]
