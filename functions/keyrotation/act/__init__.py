"""Act: a plan comes in; an outcome goes out, with what was done and what stopped it.

The only wing that changes anything in the account, in an order that survives a crash at every step.
"""
