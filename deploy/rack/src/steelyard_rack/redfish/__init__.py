"""The Redfish BMC: documents, changes, sessions, and the door through which requests come."""
