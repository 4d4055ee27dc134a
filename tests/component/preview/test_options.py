"""The preview's options: what is wrong with one is said in its own words, in one line, before anything is asked of AWS."""

import io

import pytest
from keyrotation.preview.__main__ import main
from keyrotation.preview.options import parse
from keyrotation.preview.outlook import Wanted

from tests.component.account import NOW

WRONG = {
    ("--region", "eu central"): "--region: 'eu central' is not the name of a Region, like eu-central-1",
    ("--region", "-"): "--region: '-' is not the name of a Region, like eu-central-1",
    ("--user-path-prefix", "apps"): (
        "--user-path-prefix: 'apps' is not an IAM path: it begins and ends with a slash, between letters, digits and _+=,.@-"
    ),
    ("--max-key-age-days", "1e2"): "--max-key-age-days: '1e2' is not a whole number",
    ("--max-key-age-days", "9"): "--max-key-age-days: '9' is not from 10 to 3650, which the stack takes",
    (
        "--max-key-age-days",
        "999999",
    ): "--max-key-age-days: '999999' is not from 10 to 3650, which the stack takes",
    ("--max-users-per-run", "0"): "--max-users-per-run: '0' is not from 1 to 5000, which the stack takes",
    ("--max-age", "60"): "unrecognized arguments: --max-age 60",
    ("--on", "tomorrow"): "--on: 'tomorrow' is not a day like 2026-12-31",
    ("--on", "2026-02-30"): "--on: '2026-02-30' is no day of the calendar",
    ("--only", "replace,off"): (
        "--only: 'replace,off' is not a list, with commas, of delete, switch-off, replace, finish, undo, needs-a-person, "
        "exempt, nothing-to-do"
    ),
    ("--quiet-days", "20"): (
        "this policy is refused: --overlap-days must be more than --quiet-days (--overlap-days=14, --quiet-days=20)"
    ),
}


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_option_is_told_in_its_own_words(arguments: tuple[str, str]) -> None:
    out, err = io.StringIO(), io.StringIO()

    assert main(arguments, now=NOW, stdout=out, stderr=err) == 2

    assert (out.getvalue(), err.getvalue()) == ("", f"preview: {WRONG[arguments]}\n")


def test_several_faults_of_a_policy_are_told_together() -> None:
    err = io.StringIO()

    main(["--warn-days", "30", "--unused-days", "20"], now=NOW, stdout=io.StringIO(), stderr=err)

    assert "--in-use-extension-days must be --warn-days or more" in err.getvalue()
    assert "--unused-days must be 0, or more than --quiet-days-before-first-use" in err.getvalue()
    assert err.getvalue().count("\n") == 1


def test_a_region_of_the_environment_that_is_none_is_not_blamed_on_the_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu central")
    err = io.StringIO()

    assert main([], now=NOW, stdout=io.StringIO(), stderr=err) == 1

    assert err.getvalue() == (
        "preview: AWS_REGION, or the profile's Region, is not the name of a Region, like eu-central-1\n"
    )


def test_the_help_says_what_each_number_may_be(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])

    told = " ".join(capsys.readouterr().out.split())
    assert "--warn-days N the parameter WarnDays, 1 to 3650 (default: 7)" in told
    assert "Exit codes: 0; 1, AWS or the credentials refuse; 2, an option is wrong; 3," in told


def test_what_is_shown_is_asked_for_by_action_owner_and_day() -> None:
    wanted = parse(["--only", "replace,exempt", "--owner", "team-data", "--on", "2026-12-06"]).wanted

    assert wanted.only == {"replace", "exempt"}
    assert str(wanted) == "only exempt, replace; owner team-data; on 2026-12-06"
    assert str(parse([]).wanted) == str(Wanted()) == ""
    assert str(parse(["--owner", ""]).wanted) == "owner (none)"
