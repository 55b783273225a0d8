"""Wire formats of the AWS protocols. Nothing here knows a service."""
