"""A program on a consumer's machine: boto3, one client for its whole life, no retries, no idea of any rotation.

Run as `python program.py LOG STOP`: it calls until STOP is there, and LOG tells how often, what failed, and the keys in order.
"""

import json
import sys
import time
from pathlib import Path

import boto3
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def main(log: Path, stop: Path) -> None:
    client = boto3.client("sqs", config=Config(retries={"total_max_attempts": 1}))
    calls = 0
    failed: list[str] = []
    keys: list[str] = []

    def signed(request: AWSPreparedRequest, **_: object) -> None:
        key_id = str(request.headers["Authorization"]).partition("Credential=")[2].partition("/")[0]
        if keys[-1:] != [key_id]:
            keys.append(key_id)

    client.meta.events.register("before-send.sqs", signed)
    while not stop.exists():
        try:
            client.list_queues()
        except (BotoCoreError, ClientError) as error:
            failed.append(str(error))
        calls += 1
        part = log.with_name(f"{log.name}.part")
        part.write_text(json.dumps({"calls": calls, "failed": failed, "keys": keys}))
        part.replace(log)
        time.sleep(0.25)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
