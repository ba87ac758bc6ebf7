"""What every Redfish service is made of, whether it stands for a lab's BMC or for a real machine.

``messages`` says no, ``resources`` has the shapes that DSP0266 asks of any service. No client
imports it: the one in ``netboot.bmc`` shares no code with the services it is tried on.
"""
