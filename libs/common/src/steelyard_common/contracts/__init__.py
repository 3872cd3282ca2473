"""Published contracts: every subject, message and shared vocabulary, one module a service.

No subject is spelled anywhere else. Unknown fields are ignored on the bus and refused at the HTTP door.
"""
