"""Tables and the queries on them, as functions that take a connection; none commits or calls a device."""
