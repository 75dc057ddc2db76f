"""Evaluation rules as data: what a rule set says, what is wrong with it, and what follows from it."""
