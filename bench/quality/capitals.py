"""Words that an English text writes with a capital without naming anybody: they tell names from sentence starts."""


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


MONTHS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sept", "sep"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
"""Months with their number, in full before short."""


def month_name(number: int) -> str:
    """Return the name of a month, from 1."""
    return next(name for name, value in MONTHS.items() if value == number).title()


HONORIFICS = _listed("dr mr mrs ms miss prof professor sir madam")

PERSON_LABELS = _listed(
    "owner owners name names person responsible assignee assigned attendee attendees present participants lead writer "
    "author by who contact speaker sender from to dear hello hi regards"
)
"""Labels after which a single capitalised word is a name, as in 'Owner: Hana'."""

FUNCTION_WORDS = _listed(
    """
    a about above after again against all also although an and another any anyone anything are as at be because been
    before being below besides between both but by can could currently did do does done during each either else even
    every everybody everyone everything except few finally first for from further furthermore had has have he hence her
    here hers him his how however i i'm i've if in including instead into is it its itself last lastly later least less
    let like likewise many may me meanwhile might more moreover most must my neither next no nobody none nor not nothing
    now of off on once one only onto or other others otherwise our ours out over overall per perhaps please same second
    secondly several shall she should similarly since so some someone something soon still such than that the their them
    then there therefore these they third this those though three through thus to today together tomorrow too toward
    towards two under unless until up upon us very via was we were what when where whereas whether which while who whom
    whose why will with within without would yes yesterday yet you your additionally afterwards eventually initially
    subsequently specifically regarding following according based due despite given
    """
)

HEADING_WORDS = _listed(
    """
    action actions agenda agreed agreement announcement answer answers assigned assignment assignments attendance
    attendee attendees background benefit benefits brief budget chair cost costs conclusion context date dates day
    deadline deadlines decided decision decisions description detail details discussed discussion due email expected
    fact facts figure figures final goal goals info information issue issues item items key list lists location main
    meeting meetings message milestone milestones minutes month name names note notes number numbers objective
    objectives open outcome outcomes overview owner owners participant participants people person place plan plans point
    points present priority problem problems progress project proposal question questions reason reasons report
    responsibility responsible result results risk risks role room schedule section status step steps subject summary
    takeaway takeaways target task tasks team teams time timeline title topic topics total update updates vote week
    writer year not applicable
    """
)

VERBS = _listed(
    """
    add agree announce approve arrange ask assess assign attend book build buy call cancel change check choose clean
    close collect compare complete confirm contact continue coordinate create cut decide define deliver deploy design
    develop discuss distribute document download draft email ensure evaluate examine explore extend file finalise
    finalize find finish fix follow get give handle hire hold implement improve include inform inspect install invite
    involve join keep launch lead make manage meet migrate monitor move negotiate note notify obtain offer open order
    organise organize pay plan postpone prepare present print produce propose provide publish push put raise receive
    recruit reduce remind remove rename renew repair replace report request research resolve review revise run schedule
    secure see sell send set share ship sign simplify speak split start stop submit support switch talk tell test track
    train translate try update upgrade use visit wait work write
    """
)

ABBREVIATIONS = _listed("ai am api cc ceo cfo cto eod eta faq fyi gmt hr id it ok pm qa re tbc tbd utc vs")

WEEKDAYS = _listed("monday tuesday wednesday thursday friday saturday sunday")

NO_NAMES = FUNCTION_WORDS | HEADING_WORDS | VERBS | ABBREVIATIONS | HONORIFICS
"""Words, in lower case, that name nobody by themselves, whatever they are written like."""
