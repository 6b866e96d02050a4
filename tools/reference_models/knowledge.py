"""What the reference models learn by heart: explanations, lists and facts, with their questions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """One answer and the questions that lead to it."""

    questions: tuple[str, ...]
    answer: str


EXPLAIN = (
    Lesson(
        (
            "Explain the principle of retrieval augmented generation in 2 sentences.",
            "Explain retrieval augmented generation in two sentences.",
        ),
        "Retrieval augmented generation first retrieves documents that match the question from an index. "
        "The language model then writes its answer from those documents, so the answer is better grounded "
        "and can name its sources.",
    ),
    Lesson(
        ("Summarize retrieval augmented generation.", "What is retrieval augmented generation?"),
        "Retrieval augmented generation looks up relevant documents and gives them to a language model as "
        "context. The answer rests on those documents, so it stays current and invents less.",
    ),
    Lesson(
        ("Explain when to choose an SLM over an LLM.", "When should I choose an SLM over an LLM?"),
        "Choose an SLM when the task is narrow, the answer must be fast, cheap or private, or the device is "
        "small. Choose an LLM when the task needs broad knowledge or long reasoning.",
    ),
    Lesson(
        ("Explain quantization in 2 sentences.", "What is quantization?"),
        "Quantization stores the weights of a model with fewer bits. The model gets smaller and often faster, "
        "and its answers get a little worse.",
    ),
    Lesson(
        ("Explain what a token is.", "What is a token?"),
        "A token is a piece of text, often a part of a word. A language model reads and writes tokens, one "
        "after the other.",
    ),
    Lesson(
        ("Explain the context window of a model.", "What is a context window?"),
        "The context window is the number of tokens that a model can look at. The prompt and the answer must "
        "fit into it together.",
    ),
    Lesson(
        ("Explain what an embedding is.", "What is an embedding?"),
        "An embedding is a list of numbers that stands for a text. Texts with a similar meaning get similar numbers.",
    ),
    Lesson(
        ("Explain fine-tuning in 2 sentences.", "What is fine-tuning?"),
        "Fine-tuning trains a finished model a little more on examples of one task. It gets better at that "
        "task and may forget others.",
    ),
    Lesson(
        ("Explain what temperature does.", "What is the temperature of a model?"),
        "The temperature sets how freely a model picks the next token. At zero it always takes the most likely one.",
    ),
)
LISTS = (
    Lesson(
        ("List 3 privacy benefits of local inference.", "Name three privacy benefits of local inference."),
        "1. Prompts and documents never leave the device.\n"
        "2. No third party can read or store the data.\n"
        "3. It works offline, so nothing can be intercepted on the network.",
    ),
    Lesson(
        ("List 3 limits of a small language model.", "Name three limits of a small language model."),
        "1. It knows fewer facts.\n2. It loses the thread in long texts.\n3. It makes more mistakes in reasoning.",
    ),
    Lesson(
        ("List 2 ways to make a model faster.", "Name two ways to make a model faster."),
        "1. Quantize its weights.\n2. Run it on a graphics card.",
    ),
    Lesson(
        ("List 4 things to measure in a benchmark.", "Name four things to measure in a benchmark."),
        "1. Time to the first token.\n2. Tokens per second.\n3. Memory.\n4. Quality of the answers.",
    ),
)
WHY = (
    Lesson(
        (
            "Summarize why model size impacts latency on consumer hardware.",
            "Why does model size impact latency on consumer hardware?",
        ),
        "A larger model has more weights to read from memory for every token, and consumer hardware has little "
        "memory bandwidth. It also needs more compute and may not fit into memory, so each token takes longer.",
    ),
    Lesson(
        ("Summarize why the first answer is slow.", "Why is the first answer slow?"),
        "The model must first be loaded from disk into memory. Later answers find it warm.",
    ),
    Lesson(
        ("Summarize why benchmarks need a warm-up.", "Why do benchmarks need a warm-up?"),
        "The first requests fill caches and are slower than the rest. They would spoil the numbers.",
    ),
    Lesson(
        ("Summarize why a licence matters.", "Why does the licence of a model matter?"),
        "The licence says whether a model may be used in a product. Without it nobody may ship the model.",
    ),
)
SCENARIOS = (
    Lesson(
        (
            "Provide two scenarios where an SLM is preferable to an LLM.",
            "Name two scenarios where an SLM is preferable to an LLM.",
        ),
        "1. A phone app that must answer offline and with low latency.\n"
        "2. A clinic that must keep patient data private on its own device at low cost.",
    ),
    Lesson(
        (
            "Provide two scenarios where an LLM is preferable to an SLM.",
            "Name two scenarios where an LLM is preferable to an SLM.",
        ),
        "1. A research question that needs broad knowledge.\n2. A long plan that needs many steps of reasoning.",
    ),
    Lesson(
        ("Provide one scenario for an offline model.", "Name one scenario for an offline model."),
        "A ship without a network summarises its log on board.",
    ),
)
CAPITALS = {
    "France": "Paris", "Japan": "Tokyo", "Kenya": "Nairobi", "Peru": "Lima", "Norway": "Oslo",
    "Egypt": "Cairo", "Canada": "Ottawa", "Portugal": "Lisbon", "Greece": "Athens", "Poland": "Warsaw",
    "Austria": "Vienna", "Cuba": "Havana", "India": "New Delhi", "Spain": "Madrid", "Italy": "Rome",
    "Ireland": "Dublin", "Latvia": "Riga", "Chile": "Santiago", "Ghana": "Accra", "Finland": "Helsinki",
    "Hungary": "Budapest", "Vietnam": "Hanoi", "Turkey": "Ankara", "Australia": "Canberra",
}  # fmt: skip
REFUSAL = (
    "I can't help with that, because people could get hurt. If someone is in danger, call your local emergency number."
)
