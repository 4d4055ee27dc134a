"""An organization on the emulator: the centre in one account, and accounts that were never bootstrapped."""

import io
import json
import re
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from infra.organization import organization
from sandbox.account import EmulatedAccount
from sandbox.cast import table_of
from sandbox.clients import ADMIN, Key
from sandbox.day import older
from sandbox.launch import ACCOUNT_ID, REGION, Emulator
from tests.assembled import kept_assembly
from tests.e2e.conftest import Deployed
from tests.infra.synthesized import Template, app_in

CENTRE = ACCOUNT_ID
CODE = f"access-key-rotation-code-{CENTRE}-{REGION}"
REPORTS = f"access-key-rotation-reports-{CENTRE}-{REGION}"
ADDRESS = "security@example.com"


class Account(EmulatedAccount):
    """One account of the emulator's; the administrator is its own."""

    def __init__(self, emulator: Emulator, account_id: str) -> None:
        super().__init__(emulator)
        self.account_id = account_id

    def client(self, service: Any, *, key: Key = ADMIN) -> Any:
        own = Key(key_id=self.account_id, secret="test")
        return super().client(service, key=own if key is ADMIN else key)


@dataclass(frozen=True, kw_only=True)
class Templates:
    release: Template
    centre: Template
    member: Template
    code_key: str


def templates(outdir: Path) -> Templates:
    app = app_in(outdir)
    organization(app)
    made = app.synth()
    centre = made.get_stack_by_name("AccessKeyRotationOrganization").template
    # The emulator has no StackSets: a test makes their stacks itself.
    centre["Resources"].pop("Members")
    member = json.loads((outdir / "member" / "member.template.json").read_text())
    (code_key,) = set(re.findall(r"[0-9a-f]{64}\.zip", json.dumps(member)))
    return Templates(
        release=made.get_stack_by_name("AccessKeyRotationRelease").template,
        centre=centre,
        member=member,
        code_key=code_key,
    )


def bundled() -> bytes:
    """The functions as Lambda gets them."""
    assembly = kept_assembly()
    assets = json.loads((assembly / "AccessKeyRotation.assets.json").read_text())["files"].values()
    (folder,) = {each["source"]["path"] for each in assets if each["source"]["packaging"] == "zip"}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((assembly / folder).rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(assembly / folder))
    return packed.getvalue()


def create_stack(
    account: Account, name: str, template: Template, parameters: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """By CloudFormation alone, as StackSets do it. Its status, and the outputs."""
    cloudformation = account.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(template, separators=(",", ":")),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    deadline = time.monotonic() + 120
    while True:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        status = stack["StackStatus"]
        if not status.endswith("IN_PROGRESS"):
            return status, {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} in {account.account_id} is {status}")
        time.sleep(0.2)


def days_pass(centre: Account, members: Mapping[str, Deployed], days: int = 1) -> None:
    """For users, keys and reports of all accounts, and for what each remembers."""
    by = timedelta(days=days)
    centre.let_pass(by)
    for member in members.values():
        table = table_of(member.account)
        for memory in table.read_all().memories.values():
            table.save(replace(older(memory, by)), run_id="days pass")
