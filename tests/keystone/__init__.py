"""Sign-in with tokens of a real Keystone: `make keystone` (needs PyPI the first time)."""
