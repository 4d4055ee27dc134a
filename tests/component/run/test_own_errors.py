"""Each handler writes its own error before it is raised: Lambda's line of it has another name for the level by its version."""

import json
from typing import Any, Literal

import pytest
from keyrotation.run.order import BadInput
from keyrotation.run.settings import SettingsError

from tests.component.calls import Calls
from tests.component.deployment import Context, Deployment

# Powertools warns of an invocation without metrics.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")

BOTH = pytest.mark.parametrize("function", ["scanner", "rotator"])
Function = Literal["scanner", "rotator"]


def errors(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if line.get("level") == "ERROR"]


@BOTH
def test_settings_that_are_refused(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], function: Function
) -> None:
    with pytest.raises(SettingsError):
        deployment.load(function, MODE="Sometimes")
    (line,) = errors(capsys)
    assert (line["message"], line["exception_name"]) == ("the settings are refused", "SettingsError")
    assert "Sometimes" in line["exception"]


@BOTH
def test_an_event_that_is_refused(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], function: Function
) -> None:
    module = deployment.load(function)
    with pytest.raises(BadInput):
        module.handler({}, Context(function_name=function))
    (line,) = errors(capsys)
    assert (line["message"], line["exception_name"]) == ("failed", "BadInput")


def test_a_call_that_fails(calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    calls.refuse("GetAccountAuthorizationDetails", "AccessDenied")
    with pytest.raises(Exception, match="AccessDenied"):
        deployment.scan()
    (line,) = errors(capsys)
    assert "AccessDenied" in line["exception"]
