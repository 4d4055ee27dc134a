"""Both logs, the mail and the report say which version worked."""

import json

import pytest
from keyrotation import VERSION

from tests.component.account import Account
from tests.component.deployment import Deployment


def test_the_logs_the_mail_and_the_report_say_the_version(
    account: Account, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_user("alice")
    deployment.scan()
    (order,) = deployment.orders()
    deployment.rotate(deployment.delivery(order), NOTIFY="Always")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    versions = {line["message"]: line["version"] for line in lines if "version" in line}
    assert versions == {"scan started": VERSION, "run completed": VERSION}
    (mail,) = deployment.mails()
    assert f"access-key-rotation {VERSION}" in mail.text
    assert json.loads(mail.data)["product_version"] == VERSION
