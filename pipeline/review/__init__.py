"""``diqi review``: what waits for a person, both sides of it, decisions, and the workbooks of townships."""
