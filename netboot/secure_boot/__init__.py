"""Whether firmware with Secure Boot starts what we serve: signatures, and SBAT generations."""
