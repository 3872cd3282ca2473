"""The agent of a simulated machine: the command API of ironic-python-agent, its calls home, and what it does."""
