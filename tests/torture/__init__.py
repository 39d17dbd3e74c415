"""Faults without end: each part breaks something at random, and says what of the promises did not hold."""
