"""The operator in one process, on a virtual clock, against models of Baseten and of the API server. See README.md."""
