"""What the agent shows: metrics, health, later the page."""
