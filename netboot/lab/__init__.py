"""A whole LAN on one machine: namespaces, a plain DHCP server, QEMU machines."""
