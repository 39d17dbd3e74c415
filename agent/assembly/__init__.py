"""Puts the parts of the agent together, one subject a module."""
