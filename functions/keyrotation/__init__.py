"""What both functions share: a pure core (model, tags, policy, plan, digest) and adapters that take clients."""

# As in pyproject.toml, which is not in the Lambda bundle; a test compares them.
VERSION = "0.2.0"
