"""API servers: the public HTTP interface. Stateless; any number of them may stand behind a load balancer."""
