"""Numbers that standards gave us, each in one place with its section."""

DHCP_SERVER_PORT = 67  # RFC 2131 section 4.1
DHCP_CLIENT_PORT = 68  # RFC 2131 section 4.1
PXE_PORT = 4011  # PXE 2.1 section 2.2.3: BINL / Boot Server discovery

BOOTREQUEST = 1  # RFC 951 section 3
BOOTREPLY = 2
HTYPE_ETHERNET = 1  # RFC 1700, Hardware Type
HLEN_ETHERNET = 6
MAGIC_COOKIE = b"\x63\x82\x53\x63"  # RFC 2131 section 3
BROADCAST_FLAG = 0x8000  # RFC 2131 section 2

# Message types, RFC 2132 section 9.6
DISCOVER = 1
OFFER = 2
REQUEST = 3
ACK = 5

# Options, RFC 2132 unless said otherwise
PAD = 0
END = 255
OPT_VENDOR_SPECIFIC = 43
OPT_REQUESTED_ADDRESS = 50
OPT_OVERLOAD = 52
OPT_MESSAGE_TYPE = 53
OPT_SERVER_ID = 54
OPT_PARAMETER_LIST = 55
OPT_MAX_MESSAGE_SIZE = 57
OPT_VENDOR_CLASS = 60
OPT_TFTP_SERVER_NAME = 66
OPT_BOOTFILE = 67
OPT_USER_CLASS = 77  # RFC 3004
OPT_CLIENT_ARCH = 93  # RFC 4578 section 2.1
OPT_CLIENT_NDI = 94  # RFC 4578 section 2.2
OPT_CLIENT_UUID = 97  # RFC 4578 section 2.3
OPT_IPXE = 175  # iPXE's encapsulated options

# Sub-options of 43, PXE 2.1 table 2-1
PXE_DISCOVERY_CONTROL = 6
PXE_SKIP_DISCOVERY = 8  # bit 3: use the boot file of this very offer
PXE_BOOT_MENU = 9
PXE_MENU_PROMPT = 10
