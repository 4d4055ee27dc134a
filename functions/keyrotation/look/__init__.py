"""Look: what AWS says of users, keys and secrets, read anew. Comes in: names; goes out: `model.User`.

Reads only, and decides nothing. It knows no orders, no mails and nothing that changes an account.
"""
