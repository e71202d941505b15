"""What the tests against a real API server share: a cluster, a Baseten, a running operator, and conditions to wait for."""
