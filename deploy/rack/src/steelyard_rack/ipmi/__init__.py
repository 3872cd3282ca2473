"""The IPMI BMC: pyghmi's server side with SHA-256 logins, sessions that end, and a machine behind it."""
