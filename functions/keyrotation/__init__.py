"""What both functions share: a pure core (model, tags, policy, plan, digest) and adapters that take clients."""
