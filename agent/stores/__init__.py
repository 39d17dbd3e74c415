"""Where records are kept: one folder a database, the same names in each."""
