"""What the agent does on its own clock, or on request."""
