"""Tell: what a run found and did comes in; one report goes out, as a mail, as JSON and as metrics.

It chooses words, commands and links. It decides nothing about keys and changes nothing but what people read.
"""
