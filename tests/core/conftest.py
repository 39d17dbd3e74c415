"""Hypothesis for every test below: no deadline (the machine is shared), and what repeats a failure is printed."""

from hypothesis import settings

settings.register_profile("printed", deadline=None, print_blob=True, derandomize=False)
settings.load_profile("printed")
