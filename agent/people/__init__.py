"""Carries out what people ask of the running agent: each look and change is on record before anything is shown."""
