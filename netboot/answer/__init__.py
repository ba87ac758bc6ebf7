"""(client, decision) → reply. Pure: what is sent, never how."""
