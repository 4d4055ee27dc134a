"""Remember: the table in which memory lasts. Comes in and goes out: `memory.Memory`, one item a user.

Reads and writes, and decides nothing. What is remembered, as plain data, is keyrotation/memory.py, which everybody may know.
"""
