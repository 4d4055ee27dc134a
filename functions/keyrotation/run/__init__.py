"""Run: one order comes in; what a run over its users found and did goes out.

It holds the cap, the time and the turns. It knows no mail: `tell` reads what a run leaves.
"""
