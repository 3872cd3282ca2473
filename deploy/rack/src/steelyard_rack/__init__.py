"""A simulated rack: Redfish and IPMI BMCs that behave like hardware, faults included."""
