"""What metric filters would find. There are no metrics yet: filters themselves are refused."""

from waypost.service import Context, Params
from waypost.services.logs.intake import pattern_of
from waypost.store.store import Tx


def test_metric_filter(_tx: Tx, _ctx: Context, request: Params) -> Params:  # noqa: PT019 (AWS names it so)
    """Hold messages against a pattern. The first message has the number 0 (examples of API_TestMetricFilter)."""
    pattern = pattern_of(request["filterPattern"])
    matches = []
    for number, message in enumerate(request["logEventMessages"]):
        values = pattern.match(message)
        if values is not None:
            matches.append({"eventNumber": number, "eventMessage": message, "extractedValues": values})
    return {"matches": matches}
