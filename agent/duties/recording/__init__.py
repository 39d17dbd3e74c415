"""What the agent does about recordings: grants, watches, seals, expires, and destroys what nobody asked for."""
