"""Measuring: judges, metrics, and benchmarks with their controls."""
