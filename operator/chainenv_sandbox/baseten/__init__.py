"""A stateful simulator of the Baseten management API for chains. Imports nothing of `chainenv`, by design."""
