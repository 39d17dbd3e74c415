"""The lab: a real Asterisk on loopback, with SIPp for its phones, trunks and emergency services."""
