"""The hardware lab: QEMU machines behind real BMC emulators, driven through the REST API with the `baremetal` CLI.

`__main__` runs on the host: it looks for what is missing, opens private namespaces and cleans up after them.
`inside` is the first process of those namespaces: it starts the machines and the control plane and plays `scenario`.
"""
