"""Answers that keep to their source, and inventions: numbers, dates, times and names."""

import pytest

from bench.quality.checks.registry import grade_answer
from tests.builders import facet, prompt

NOTE = """Summarise this meeting note in two sentences.

Notes of the mobile team, 2026-04-08, 14:30. Present were Hana Rossi, Tomas Keller and Dana Reed (Acme Ltd).
Dana showed the numbers for Q3: sales rose by 12% to 1,250 units, 40k euros in all. They agreed to replace the sign-up
form. Hana Rossi is responsible and has until 21 May. Three testers join from 3 to 5 June, from 2 to 4 pm.
Next meeting Monday. Retrieval augmented generation was discussed with José."""


def verdict(text: str, asked_with: str = NOTE, **parameters: object) -> tuple[float | None, str]:
    """Return the credit and the evidence of the check `faithful` for an answer to a prompt."""
    asked = prompt(text=asked_with, facets=(facet(check="faithful", parameters=parameters),))
    grade = grade_answer(asked, text)[0]
    return grade.credit, grade.why


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Hana Rossi will replace the sign-up form by May 21st.", 2),
        ("The Mobile Team agreed. Hana Rossi is responsible and the deadline is 21 May 2026.", 3),
        ("- Owner: Hana\n- Due: 2026-05-21\n- Sales: 1250 units (+12 %), 40,000 euros", 5),
        ("**Meeting Summary**\n\n1. **Decision:** Replace the form\n2. **Owner:** Hana Rossi\n3. **Date:** 21 May", 2),
        ("On April 8, 2026, they met at 2:30 pm; 3 testers join from 3\u20135 June, between 2 pm and 4 p.m.", 7),
        ("In May, Hana Rossi's team replaces it; one of the testers joins on the 3rd of June.", 2),
        ('{"task": "replace the sign-up form", "owner": "Hana Rossi", "due": "21.05.2026"}', 2),
        ("Q3 sales rose twelve percent to one thousand two hundred and fifty units.", 2),
        ("Q3 sales rose to 1,250, which is 12%, more than 40,000, all told.", 3),
        ("Ms. Rossi owns it. Mr Keller of Acme Ltd. attended. Jose and RAG too.", 4),
        ("HANA ROSSI WILL REPLACE THE SIGN-UP FORM BY 21 MAY.", 2),
        ("# Notes Of A Fine Day\nThe form is Hana Rossi's, due 5/21/2026. Replacement begins on the 8th.", 3),
    ],
)
def test_what_the_source_has_may_be_spelled_otherwise(text: str, count: int) -> None:
    assert verdict(text) == (1.0, f"numbers, dates and names: {count}, all in the source")


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("Hana Reed is responsible and has until 21 May.", "'Hana Reed'"),
        ("Tomas Rossi is responsible.", "'Tomas Rossi'"),
        ("Anna Rossi will do it by 22 May. Nobody objects.", "'22 May', 'Anna Rossi'"),
        ("Hana Rossa will do it by 21 June.", "'21 June', 'Hana Rossa'"),
        ("Sales rose by 15% to 1,260 units.", "'15', '1,260'"),
        ("Owner: Maria", "'Maria'"),
        ("The Q4 sales rose.", "'Q4'"),
        ("They meet on Tuesday at 3:30 pm.", "'3:30 pm', 'Tuesday'"),
        ("In July, four testers join.", "'four', 'July'"),
        ("Dana Reed of Globex was there on 21 May 2027.", "'21 May 2027', 'Globex'"),
        ("It is due on 8 May and earned 40 million euros.", "'40 million', '8 May'"),
        ("According to José, they meet in Berlin.", "'Berlin'"),
        ("Testers join from 4 to 6 June.", "'4 June', '6 June'"),
        ("The EU approved it.", "'EU'"),
    ],
)
def test_an_invention_is_named(text: str, invented: str) -> None:
    assert verdict(text) == (0.0, f"not in the source: {invented}")


def test_an_answer_with_nothing_to_compare_is_no_verdict() -> None:
    assert verdict("The form will be replaced.") == (None, "has no numbers, dates or names to compare")


def test_a_single_name_that_begins_a_sentence_cannot_be_told_from_a_word() -> None:
    assert verdict("Maria will replace the form.")[0] is None
    assert verdict("The owner is Maria. Maria will replace the form.") == (0.0, "not in the source: 'Maria'")


def test_the_instruction_above_the_first_empty_line_is_no_source() -> None:
    source = "Summarise this for Otto in 40 words.\n\nThe team met on 3 May."

    assert verdict("Otto met them on 3 May.", source)[0] == 1.0
    assert verdict("They met Otto on 3 May: 40 people.", source) == (0.0, "not in the source: '40', 'Otto'")


def test_the_source_can_be_named() -> None:
    text = "The team met on 3 May."

    assert verdict(text, "Notes: 3 May.")[0] == 1.0
    assert verdict(text, "On 4 May: sum up. Notes: 3 May.", after="Notes:")[0] == 1.0
    assert verdict(text, "On 3 May: sum up. Notes: 4 May.", after="Notes:")[0] == 0.0
    assert verdict(text, "Sum it up.", source="It was 3 May.")[0] == 1.0
    assert verdict(text, "Sum it up.", after="Minutes:") == (
        None,
        "not evaluated: 'after' names 'Minutes:', after which the prompt has no text",
    )


def test_what_is_allowed_besides() -> None:
    text = "Hana Rossi of Globex has 3 tasks until 21 May."

    assert verdict(text, allow=["Globex"]) == (1.0, "numbers, dates and names: 4, all in the source")
    assert verdict("Seven of Globex", allow=["Globex", "7"])[0] == 1.0


def test_kinds_limit_what_is_compared() -> None:
    text = "Maria Lopez sold 9 units on 21 May."

    assert verdict(text, kinds=["dates"]) == (1.0, "dates: 1, all in the source")
    assert verdict(text, kinds=["names", "dates"]) == (0.0, "not in the source: 'Maria Lopez'")
    assert verdict(text, kinds=["numbers", "dates"]) == (0.0, "not in the source: '9'")
    assert verdict("Maria Lopez", kinds=["numbers", "dates"]) == (None, "has no numbers or dates to compare")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("from 30 April to 2 May", "April 30 \u2013 May 2"),
        ("on 3 and 5 June", "June 3 and 5"),
        ("on Sept. 5, 2026", "5 September 2026"),
        ("on 03/04/2026", "on 3 April, or on March 4"),
        ("1.5 million euros", "1,500,000 euros"),
        ("1\u202f250 people", "1250 people"),
        ("at noon", "at 12:00"),
        ("at 14h30", "at 2.30pm"),
        ("a hundred and five", "105 of them"),
        ("twenty-one or twenty two", "21 or 22"),
        ("five six", "5 and 6"),
        ("two dozen", "2 times 12"),
        ("version B-204 of A42", "A42 and B-204"),
    ],
)
def test_figures_are_read_in_their_spellings(source: str, text: str) -> None:
    assert verdict(text, source)[0] == 1.0


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("on 3 June", "3 units"),
        ("at 14:30", "14 units"),
        ("in room A42", "42 units"),
        ("3 units", "on 3 June"),
        ("on 3 June 2026", "on 3 June 2027"),
        ("1,250 units", "1,25 units"),
        ("105 units", "a hundred units"),
    ],
)
def test_a_figure_is_compared_as_what_it_is(source: str, text: str) -> None:
    assert verdict(text, source)[0] == 0.0


def test_an_answer_of_garbage_is_read_in_time() -> None:
    text = " ".join(["A", "Aa", "5", "and", "Ten", "May", "12:", "3-4-", "**", "'s", "\n-"] * 2_000)

    assert verdict(text)[0] == 0.0
