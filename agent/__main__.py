"""``python -m agent`` is ``telephony-agent``."""

from agent.cli import main

main()
