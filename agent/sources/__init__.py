"""Where messages come from: Asterisk over AMI, or a captured byte stream."""
