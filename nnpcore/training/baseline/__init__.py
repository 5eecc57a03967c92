"""What lies under the networks: a function of their inputs, solved in closed form."""
