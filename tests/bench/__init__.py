"""Figures of the real thing, printed one JSON object a line and then as a table: `make bench`."""
