"""Commands that mend, for bash and AWS CLI 2. Nobody runs them but the person who read them."""

import json
import shlex


def aws(operation: str, *, region: str, **options: object) -> str:
    """`aws("sqs purge-queue", region=..., queue_url=...)`. True is a switch; what is no text is written as JSON."""
    words = ["aws", *operation.split(), "--region", region]
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(value if isinstance(value, str) else as_json(value))
    return shlex.join(words)


def as_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
