"""netboot: a boot is a conversation; we decide once what a machine boots, and say why."""
