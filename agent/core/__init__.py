"""The pure core: bytes and times in, minimal records out, standard library only."""
