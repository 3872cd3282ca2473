"""Boots and deploys the nodes: prepares, deploys, cleans up, rescues, by the node's deploy and rescue interfaces."""
