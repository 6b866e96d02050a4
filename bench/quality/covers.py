"""How many of the facts that an answer must have it has."""

from bench.quality.claims import Claims, read_claims
from bench.quality.evidence import Answer, Evidence, Parameters, quoted
from bench.quality.reading import bare, occurs, plain


def covers(answer: Answer, parameters: Parameters) -> Evidence:
    """Return the share of `facts` that an answer has.

    A fact is a text, or a list of texts that each say it: one of them is enough. A fact that is a date, a time or a
    number is found in any spelling (3 May and 2026-05-03, 1,250 and 1250, three and 3), any other text as it is,
    whatever its case, quotes and spacing. The evidence names the first text of each fact that is missing.
    """
    facts = [[fact] if isinstance(fact, str) else list(fact) for fact in parameters["facts"]]
    searched, claims = plain(answer.text), read_claims(answer.text)
    missing = [fact for fact in facts if not any(_says(one, searched, claims) for one in fact)]
    found = len(facts) - len(missing)
    counted = f"{found} of {len(facts)} fact{'' if len(facts) == 1 else 's'}"
    return Evidence(
        found / len(facts), f"{counted}; lacks {quoted(fact[0] for fact in missing)}" if missing else counted
    )


def _says(fact: str, searched: str, claims: Claims) -> bool:
    if occurs(plain(fact), searched):
        return True
    wanted = read_claims(fact)
    if bare(wanted.rest):
        return False
    if wanted.dates or wanted.times:
        return all(any(date.agrees(other) for other in claims.dates) for date in wanted.dates) and all(
            any(time.agrees(other) for other in claims.times) for time in wanted.times
        )
    return bool(wanted.numbers) and all(
        any(number.agrees(other) for other in claims.numbers) for number in wanted.numbers
    )
