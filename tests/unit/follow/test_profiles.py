"""AWS's two files, with a line more or less and everything else as people wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.configloader import load_config, raw_config_parse
from keyrotation.follow.adopt import STATIC
from keyrotation.follow.profiles import PROCESS, ProfilesFile
from keyrotation.follow.store import Unusable

if TYPE_CHECKING:
    from pathlib import Path

CREDENTIALS = """# of the team
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = one
[app]
; the nightly job
AWS_Access_Key_ID=AKIAAPP
aws_secret_access_key: two=and
region = eu-west-1
s3 =
  aws_access_key_id = nested
\t
[name with spaces]
aws_access_key_id = AKIASPACES
"""
CONFIG = """[default]
region = us-east-1
[profile app]
output = json
[profile 'with space']
region = eu-west-1
[sso-session app]
sso_region = eu-west-1
"""


@pytest.fixture
def credentials(tmp_path: Path) -> ProfilesFile:
    path = tmp_path / "credentials"
    path.write_text(CREDENTIALS)
    return ProfilesFile(path, prefixed=False)


@pytest.fixture
def config(tmp_path: Path) -> ProfilesFile:
    path = tmp_path / "config"
    path.write_text(CONFIG)
    return ProfilesFile(path, prefixed=True)


def test_it_reads_the_keys_as_botocore_does(credentials: ProfilesFile) -> None:
    theirs = raw_config_parse(str(credentials.path))
    ours = credentials.profiles()
    assert list(ours) == list(theirs)
    for name, settings in theirs.items():
        for setting in (*STATIC, "region"):
            assert ours[name].get(setting) == settings.get(setting), (name, setting)


def test_the_two_lines_go_and_everything_else_stays(credentials: ProfilesFile) -> None:
    credentials.without("app", STATIC)
    gone = {"AWS_Access_Key_ID=AKIAAPP\n", "aws_secret_access_key: two=and\n"}
    kept = [line for line in CREDENTIALS.splitlines(keepends=True) if line not in gone]
    assert credentials.path.read_text() == "".join(kept)


def test_a_setting_goes_into_its_profile_as_botocore_reads_it(config: ProfilesFile) -> None:
    for profile in ("default", "app", "with space", "new", "new and 'quoted'"):
        config.with_setting(profile, PROCESS, f"follow '/home/a b/{profile[:3]}.json'")
    found = load_config(str(config.path))["profiles"]
    assert {name: settings[PROCESS] for name, settings in found.items()} == {
        profile: f"follow '/home/a b/{profile[:3]}.json'"
        for profile in ("default", "app", "with space", "new", "new and 'quoted'")
    }
    assert [line for line in config.path.read_text().splitlines(keepends=True) if line in CONFIG] == (
        CONFIG.splitlines(keepends=True)
    )


def test_a_file_without_a_last_line_end_is_not_glued_together(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("[profile app]")
    file = ProfilesFile(path, prefixed=True)
    file.with_setting("app", PROCESS, "one")
    file.with_setting("other", PROCESS, "two")
    assert path.read_text() == (
        "[profile app]\ncredential_process = one\n[profile other]\ncredential_process = two\n"
    )


def test_line_ends_of_windows_stay(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_bytes(b"[app]\r\naws_access_key_id = AKIAAPP\r\nregion = eu-west-1\r\n")
    file = ProfilesFile(path, prefixed=False)
    assert file.profiles()["app"]["aws_access_key_id"] == "AKIAAPP"
    file.without("app", STATIC)
    assert path.read_bytes() == b"[app]\r\nregion = eu-west-1\r\n"


def test_a_file_that_is_not_there_has_no_profiles_and_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    file = ProfilesFile(tmp_path / ".aws" / "config", prefixed=True)
    assert file.profiles() == {}
    file.with_setting("default", PROCESS, "one")
    assert file.path.read_text() == "[default]\ncredential_process = one\n"
    assert (file.path.stat().st_mode & 0o777, file.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_file_that_is_no_text_is_refused_without_being_quoted(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_bytes(b"[app]\naws_secret_access_key = \xff\xfe")
    with pytest.raises(Unusable, match="is not in UTF-8"):
        ProfilesFile(path, prefixed=False).profiles()
