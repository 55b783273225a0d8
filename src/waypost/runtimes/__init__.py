"""Function execution: worker processes that speak the Lambda Runtime API. The only code that starts processes."""
