"""The tables of power and their queries: functions that take a connection and never commit."""
