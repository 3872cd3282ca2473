"""The edges: the steps that arrive by the bus, what is asked by the bus, and the HTTP that machines speak."""
