"""What IAM decides, without a store: policy documents, trust, tags, pages and ARNs."""
