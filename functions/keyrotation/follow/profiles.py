"""AWS's two files, `credentials` and `config`: what stands in a profile, and the file with a line more or less.

Line by line, so that everything else in them stays as people wrote it.
"""

from __future__ import annotations

import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keyrotation.follow.store import Unusable, require_ours, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_ID, SECRET, TOKEN, PROCESS = (
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "credential_process",
)
_HEADER = re.compile(r"\[([^\]]*)\]")
_SETTING = re.compile(r"([^\s=:#;\[][^=:]*?)\s*[=:]\s*(.*?)\s*$")


@dataclass(frozen=True)
class ProfilesFile:
    """`~/.aws/credentials`, or with `prefixed` `~/.aws/config`, whose sections are called `[profile NAME]`.

    A path that is no symbolic link. The text may hold secrets, so it is in no repr.
    """

    path: Path
    prefixed: bool

    @classmethod
    def at(cls, path: str, *, prefixed: bool) -> ProfilesFile:
        return cls(Path(path).expanduser().resolve(), prefixed)

    def profiles(self) -> dict[str, dict[str, str]]:
        """The settings by profile. Raises OSError, Unusable."""
        found: dict[str, dict[str, str]] = {}
        for profile, name, value, _ in self._lines():
            if profile is not None:
                settings = found.setdefault(profile, {})
                if name:
                    settings[name] = value
        return found

    def without(self, profile: str, names: frozenset[str]) -> None:
        """Write it without these settings of the profile. Raises OSError, Unusable."""
        lines = [line for of, name, _, line in self._lines() if not (of == profile and name in names)]
        self._write("".join(lines))

    def with_setting(self, profile: str, name: str, value: str) -> None:
        """Write it with this setting first in the profile, and the profile last when it is new."""
        lines = list(self._lines())
        setting = f"{name} = {value}\n"
        at = next((place for place, (of, _, _, _) in enumerate(lines) if of == profile), None)
        text = [line for _, _, _, line in lines]
        if at is None:
            ends = "" if not text or text[-1].endswith("\n") else "\n"
            header = shlex.quote(profile)
            text.append(
                f"{ends}[{header if not self.prefixed or profile == 'default' else f'profile {header}'}]\n{setting}"
            )
        else:
            header = text[at] if text[at].endswith("\n") else f"{text[at]}\n"
            text[at : at + 1] = [header, setting]
        self._write("".join(text))

    def _lines(self) -> Iterator[tuple[str | None, str, str, str]]:
        """Profile, setting, its value, and the line as it is; no setting: a header, a comment, a continuation."""
        try:
            # Not read_text: the line ends stay as they are.
            text = self.path.read_bytes().decode()
        except FileNotFoundError:
            return
        except UnicodeDecodeError:
            raise Unusable(f"{self.path} is not in UTF-8") from None
        profile: str | None = None
        for line in text.splitlines(keepends=True):
            header, setting = _HEADER.match(line), _SETTING.match(line)
            if header:
                profile = self._profile(header[1])
                yield profile, "", "", line
            elif setting:
                yield profile, setting[1].lower(), setting[2], line
            else:
                yield profile, "", "", line

    def _profile(self, section: str) -> str | None:
        """None: a section of the config file that is no profile."""
        if not self.prefixed:
            return section
        try:
            words = shlex.split(section)
        except ValueError:
            return None
        if words == ["default"]:
            return "default"
        return words[1] if len(words) == 2 and words[0] == "profile" else None

    def _write(self, text: str) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.path, text, mode=0o600)
            return
        require_ours(self.path)
        write_whole(self.path, text, mode=stat.S_IMODE(self.path.stat().st_mode))
