"""A proxy in front of an API server that holds calls at a named point, and makes connections and watches fail as networks do."""
