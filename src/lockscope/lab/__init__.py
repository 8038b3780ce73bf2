"""Experiments: workloads, the workers that run them, and the audit of what they left."""
