"""Installers of simulated machines: what Anaconda does with a kickstart, as far as others see it."""
