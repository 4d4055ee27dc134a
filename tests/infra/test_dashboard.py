"""The dashboard: every metric on it is one that something says, and every alarm stands on it."""

import json
import re
from typing import Any

from tests.infra.synthesized import ROOT, Template, of_type, text


def body(template: Template) -> dict[str, Any]:
    [dashboard] = of_type(template, "AWS::CloudWatch::Dashboard").values()
    found: dict[str, Any] = json.loads(text(template, dashboard["Properties"]["DashboardBody"]))
    return found


def metrics(template: Template) -> set[tuple[str, str, str]]:
    """Namespace, name, and what it is of."""
    shown = [each for widget in body(template)["widgets"] for each in widget["properties"].get("metrics", [])]
    return {(each[0], each[1], each[3]) for each in shown}


def test_it_asks_the_three_questions_in_order(template: Template) -> None:
    told = [w["properties"]["markdown"] for w in body(template)["widgets"] if w["type"] == "text"]
    assert [each.partition("\n")[0] for each in told] == [
        "# Are we compliant?",
        "# Did it run?",
        "# What is stuck?",
    ]
    assert "${MaxKeyAgeDays}" in told[0]


def test_every_metric_of_ours_is_one_that_the_functions_say(template: Template) -> None:
    ours = {
        (service, name) for namespace, name, service in metrics(template) if namespace == "AccessKeyRotation"
    }
    assert len(ours) == 12
    for service, name in ours:
        told = (ROOT / "functions" / f"{service}.py").read_text()
        told += (
            (ROOT / "functions" / "keyrotation" / "tell" / "measures.py").read_text()
            if service == "rotator"
            else ""
        )
        assert re.search(rf'"{name}"', told), name


def test_every_alarm_stands_on_it(template: Template) -> None:
    [widget] = [each for each in body(template)["widgets"] if each["type"] == "alarm"]
    named = {re.sub(r"^\$\{|\.Arn\}$", "", each) for each in widget["properties"]["alarms"]}
    assert named == set(of_type(template, "AWS::CloudWatch::Alarm"))
