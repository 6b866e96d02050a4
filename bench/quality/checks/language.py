"""The language of an answer, found by its letters and by its commonest words.

A small model that is asked in English may answer in Chinese, or slide from German into English. To see that, the
function words of a few languages do, and they can be shown as evidence; a text without enough of them is not judged.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence

from bench.quality.checks.evidence import CheckedAnswer, CheckParameters, Evidence, quoted, unscored, verdict
from bench.quality.checks.tokenise import words

FEWEST_WORDS = 5
"""Words below which a language is not decided."""

FEWEST_LETTERS = 5
"""Letters below which a script is not decided."""

FEWEST_HITS = 2
"""Function words of one language below which a text is not taken to be in it."""

NAMED = 4
"""Function words that the evidence names."""

_COMMON: dict[str, tuple[str, str]] = {
    "en": (
        "English",
        "the of and to is that it was for on are as with his they at be this have from or had by not but what all were "
        "we when your can said there an which their if will each how them then she her would these has more who its "
        "about into than you been after because should so also could i he my our",
    ),
    "de": (
        "German",
        "der die das und ist nicht ein eine einen einem einer zu den dem des mit sich auf für von im es auch als sie "
        "er wir ich war werden wird haben hat sind oder aber wie bei nach über nur noch kann dass wenn aus um durch "
        "zum zur vom ihre ihr seine sein soll bis wurde wurden am",
    ),
    "fr": (
        "French",
        "le la les de des du et est un une que qui dans pour pas sur au aux avec ce cette ces il elle ils nous vous je "
        "son sa ses leur par plus ne se sont ou mais comme être avoir a été ont fait peut à en y d' l' même très doit",
    ),
    "es": (
        "Spanish",
        "el la los las de del y es un una que en por para con no se su sus lo al como más pero este esta estos son ha "
        "han fue ser está están o si sobre entre también cuando muy ya hay le nos donde desde debe puede",
    ),
    "it": (
        "Italian",
        "il lo la i gli le di del della dei delle e è un una che in per con non si su sono al alla ai alle da dal "
        "dalla come più ma questo questa anche ha hanno o se nel nella suo sua essere stato molto deve può ci",
    ),
    "pt": (
        "Portuguese",
        "o a os as de do da dos das e é um uma que em no na nos nas por para com não se seu sua mais mas como ao à foi "
        "são ser está também quando muito já há ou pelo pela este esta isso ele ela eles deve pode até",
    ),
    "nl": (
        "Dutch",
        "de het een en van is in dat op te zijn met voor niet aan er om ook als maar bij of door over uit naar dan ze "
        "hij wij we je ik deze die dit wordt worden werd heeft hebben kan nog wel meer zal tot moet",
    ),
    "pl": (
        "Polish",
        "i w na z do nie się że jest to jak o za po od są przez dla ale czy oraz tym tego który która które ma może "
        "być został została było był była ten ta już tylko także jego ich przy pod co jako będzie musi",
    ),
}
"""Languages in Latin letters: name, and the commonest words."""

_SCRIPTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "zh": ("Chinese", ("CJK",)),
    "ja": ("Japanese", ("HIRAGANA", "KATAKANA", "CJK")),
    "ko": ("Korean", ("HANGUL",)),
}
"""Languages that have letters of their own: name, and how the Unicode names of their letters begin."""

_SCRIPT_NAMES = {"CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}

LANGUAGES: dict[str, str] = {code: name for code, (name, _) in (_COMMON | _SCRIPTS).items()}
"""Every language that can be asked for, by its ISO 639-1 code, with its English name."""

_WORDS = {code: frozenset(listed.split()) for code, (_, listed) in _COMMON.items()}


def language(answer: CheckedAnswer, parameters: CheckParameters) -> Evidence:
    """Pass an answer in the language `is`; a text that is too short to decide is unscored."""
    wanted: str = parameters["is"]
    scripts = Counter(_script(letter) for letter in answer.text if letter.isalpha())
    letters = scripts.total()
    if letters < FEWEST_LETTERS:
        return unscored(f"too short to tell a language: {letters} letters")
    script, count = scripts.most_common(1)[0]
    if script == "LATIN" and wanted in _WORDS:
        return _by_words(words(answer.text), wanted)
    if wanted in _WORDS:
        shown = _SCRIPT_NAMES.get(script, script.title())
        return verdict(False, f"{_percent(count, letters)} of the letters are {shown}; wanted Latin ones")
    return _by_script(scripts, wanted)


def _by_words(found: Sequence[str], wanted: str) -> Evidence:
    if len(found) < FEWEST_WORDS:
        return unscored(f"too short to tell a language: {len(found)} words")
    lowered = [word.casefold() for word in found]
    hits = {code: [word for word in lowered if word in common] for code, common in _WORDS.items()}
    best = max(hits, key=lambda code: (len(hits[code]), code == wanted))
    if len(hits[best]) < FEWEST_HITS:
        return unscored(f"too few common words of any known language among {len(found)}")
    examples = quoted(list(dict.fromkeys(hits[best]))[:NAMED])
    why = f"{len(hits[best])} of {len(found)} words are common in {LANGUAGES[best]}: {examples}"
    return verdict(best == wanted, why if best == wanted else f"{why}; {len(hits[wanted])} in {LANGUAGES[wanted]}")


def _by_script(scripts: Counter[str], wanted: str) -> Evidence:
    name, allowed = _SCRIPTS[wanted]
    letters = scripts.total()
    fitting = sum(scripts[script] for script in allowed)
    kana = scripts["HIRAGANA"] + scripts["KATAKANA"]
    why = f"{_percent(fitting, letters)} of the letters are {name}"
    if wanted == "ja" and not kana:
        return verdict(False, "no kana among the letters")
    if wanted == "zh" and kana > fitting / 10:
        return verdict(False, f"{_percent(kana, letters)} of the letters are Japanese kana")
    return verdict(fitting * 2 > letters, why)


def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNKNOWN").split(" ")[0].split("-")[0]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part // whole}%"
