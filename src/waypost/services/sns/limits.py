"""SNS's quotas: https://docs.aws.amazon.com/general/latest/gr/sns.html ."""

TOPIC_NAME_MAX = 256
"""Characters of a topic's name, `.fifo` included."""
