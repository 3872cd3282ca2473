"""Benchmarks: what one operation costs in CPU, by the processes' own accounting; rates on shared machines lie."""
