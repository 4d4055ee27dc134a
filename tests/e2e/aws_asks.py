"""`aws` of a test's shell: has the process of the tests run the command (aws.py), and ends as it says."""

import json
import os
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    connection.sendall(json.dumps({"words": sys.argv[2:], "environment": variables}).encode() + b"\n")
    with connection.makefile("rb") as answer:
        said = json.loads(answer.read())
sys.stdout.write(said["stdout"])
sys.stderr.write(said["stderr"])
sys.exit(said["status"])
