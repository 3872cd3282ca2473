"""The embedded runner: the whole suite on one machine with one command."""
