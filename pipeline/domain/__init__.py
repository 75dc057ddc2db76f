"""Pure functions and types of the field: codes, names, quantities, areas, allocation, rules.

Nothing here reads or writes a file or a database, and nothing here imports other parts of
``pipeline``: what goes in decides what comes out.
"""
