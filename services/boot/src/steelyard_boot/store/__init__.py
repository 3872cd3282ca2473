"""The tables of boot and their queries: functions that take a connection and never commit."""
