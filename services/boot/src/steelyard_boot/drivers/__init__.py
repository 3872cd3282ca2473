"""The ways out: where images come from, agents on nodes, BMC virtual media, dnsmasq."""
