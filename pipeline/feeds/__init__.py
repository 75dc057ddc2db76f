"""Delivered files into clean batches: discovery, encoding, CRS, tables, contracts, cleaning."""
