"""The telephony data agent: Asterisk's AMI in, minimal records out.

The way of the data::

    Asterisk -- AMI session "express": emergency UserEvents only -+
             -- AMI session "bulk": registrations, calls, recordings
          sources/ -> core: normalise -> Signal -> state machine -> Record   one synchronous step, no await
                   -> lanes (emergency | recording | ordinary)
                   -> stores/ -> after the commit -> views/ (metrics, HTTP)
          duties/: what the agent does on its own clock or on request
"""

__version__ = "0.1.0"
