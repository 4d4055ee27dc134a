"""Preview: what the rotation would do to an account and when, with a person's own credentials; only reads.

A composition root, as the two handlers are: `python -m keyrotation.preview`.
"""
