"""Pure decisions of CloudWatch Logs."""
