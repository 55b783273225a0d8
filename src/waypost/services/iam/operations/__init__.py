"""One function per IAM operation, by resource."""
