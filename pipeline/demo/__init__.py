"""The invented county: a township drawn by hand, and counties generated at any size."""
