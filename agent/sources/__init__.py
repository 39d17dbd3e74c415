"""Where messages come from: Asterisk over AMI, its own database, or a captured byte stream."""
