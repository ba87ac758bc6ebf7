"""The boot program: thin shells round wire, policy and answer, on the machines' network."""
