"""An emulated AWS account for the length of a `with` block: what the demo and the end-to-end tests run against."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from sandbox.cdk import CDK
from sandbox.clients import Clients
from sandbox.launch import ACCOUNT_ID, CHECKOUT, REGION, Emulator, launched
from sandbox.mailbox import Mailbox, subscribe_queue, watch_address
from sandbox.remote import Remote

# The emulator gives the oldest so many lines, and no token for the rest.
_LOG_LIMIT = 10_000


class FunctionFailed(Exception):
    """A Lambda function raised; the message is its error's type and text."""


class EmulatedAccount(Clients, Remote):
    """Clients, controls, the CDK CLI and the functions of one running emulator."""

    def __init__(self, emulator: Emulator) -> None:
        Clients.__init__(self, endpoint=emulator.endpoint, region=REGION, ca=emulator.ca)
        Remote.__init__(self, emulator)
        self.account_id = ACCOUNT_ID
        self.region = REGION
        self.emulator = emulator
        self._cdk = CDK(
            directory=emulator.directory,
            endpoint=emulator.endpoint,
            account_id=ACCOUNT_ID,
            region=REGION,
            ca=emulator.ca,
        )

    @classmethod
    @contextmanager
    def start(cls) -> "Iterator[EmulatedAccount]":
        """An empty account. However the block ends, its processes and files are gone after it."""
        with launched() as emulator:
            account = cls(emulator)
            try:
                yield account
            finally:
                account.close()

    def deploy(self, parameters: Mapping[str, str], *, project: Path = CHECKOUT) -> dict[str, str]:
        """Deploy `project/app.py` with the CDK CLI, bootstrapping the account first; the stack's outputs."""
        return self._cdk.deploy(project=project, parameters=parameters)

    def install(self, assembly: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Deploy a cloud assembly that somebody kept, bootstrapping the account first; the stack's outputs."""
        return self._cdk.install(assembly, parameters)

    def update(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Change parameters of what is deployed; those not named keep their value. The stack's outputs."""
        return self._cdk.update(parameters)

    def destroy(self) -> None:
        """Delete the stack, its termination protection first."""
        cloudformation = self.client("cloudformation")
        for each in cloudformation.list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])[
            "StackSummaries"
        ]:
            cloudformation.update_termination_protection(
                StackName=each["StackName"], EnableTerminationProtection=False
            )
        self._cdk.destroy()

    def invoke(self, function_name: str, payload: object) -> Any:
        """What the function returns. Raises FunctionFailed when it raised."""
        answer = self.client("lambda").invoke(FunctionName=function_name, Payload=json.dumps(payload))
        result = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            raise FunctionFailed(f"{result.get('errorType')}: {result.get('errorMessage')}")
        return result

    def logs(self, function_name: str) -> list[str]:
        """The lines that a function has written, the oldest first."""
        return self.log_lines(self.log_group(function_name))

    def log_group(self, function_name: str) -> str:
        configuration = self.client("lambda").get_function_configuration(FunctionName=function_name)
        return configuration["LoggingConfig"]["LogGroup"]

    def log_lines(self, group: str) -> list[str]:
        """Those of a log group, whose function may be gone."""
        events = self.client("logs").filter_log_events(logGroupName=group)["events"]
        if len(events) >= _LOG_LIMIT:
            raise OverflowError(f"{group} has more lines than the emulator gives")
        return [event["message"] for event in events]

    def mailbox(self, topic_arn: str, **attributes: str) -> Mailbox:
        """A new queue's view of what the topic sends from now on; `attributes` of the subscription: FilterPolicy."""
        return subscribe_queue(
            name=f"mailbox-{uuid4().hex[:8]}",
            topic_arn=topic_arn,
            attributes=attributes,
            sns=self.client("sns"),
            sqs=self.client("sqs"),
        )

    def inbox(self, address: str) -> Mailbox:
        """What a person whose address is subscribed by email gets from now on."""
        return watch_address(address=address, mails=lambda: self.mails(to=address))
