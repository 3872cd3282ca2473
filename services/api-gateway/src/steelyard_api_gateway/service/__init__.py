"""What can be asked of the gateway: one class a resource, one method a question or command.

Each method checks what needs no other service (schema, versions, identifiers), seals secrets, builds the bus
request and hands back the other service's bytes as they are.
"""
