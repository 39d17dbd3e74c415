"""Where alarms are told, one file a kind of channel."""
