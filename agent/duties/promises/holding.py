"""The legal holds that stand, as the probes see them: what they keep is neither late nor left over."""

from collections import defaultdict

from agent.core.accounts import spans
from agent.core.holds import Holds
from agent.core.records import Hold, Service
from agent.duties.promises.result import Survey


def standing(survey: Survey) -> Holds:
    """Those that are not lifted, on lines and on the lines of accounts."""
    holds = Holds().taken_up(record for record in survey.read(Hold.KIND) if isinstance(record, Hold))
    wanted = {hold.account for hold in holds.standing.values() if hold.account is not None}
    services: defaultdict[str, list[Service]] = defaultdict(list)
    for record in survey.read(Service.KIND) if wanted else ():
        if isinstance(record, Service) and record.account in wanted:
            services[record.account].append(record)
    return holds.of({account: spans(found, 0, None) for account, found in services.items()})
