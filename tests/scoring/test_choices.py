"""What talkative models write around their choice, one table of answers for each meaning."""

import pytest

from unictoken.scoring.metrics import chosen

COLOURS = ("red", "blue", "green", "grey")
# fmt: off
MEANT = {
    "red": (
        "A", "A.", "(a)", "a", "a)", "A. red", "A because it is red", "A is correct", "The answer is A",
        "The answer is a.", "The answer is A because the collar is red.", "A\n\nThe collar is red",
        "A red collar", "It is A", "I choose A", "A, because it is seen", "A – red", "a: red",
        "A The collar is red",
    ),
    "blue": (
        "B", "b", "B.", "b.", "(B)", "(b)", "[B]", "B)", "b)", "**B**", "__B__", "`B`", "\"B\"", "'b'",
        "“B”", " B \n", "Ｂ", "\\boxed{B}", "$\\boxed{\\text{B}}$", "The answer is $\\boxed{B}$.",
        "\\(\\boxed{B. blue}\\)", "<answer>B</answer>", "<think>A or C? The answer is A.</think>B",
        "<b>B</b>", "Option B", "option b", "Option (B)", "Choice B.", "(B) blue", "(b) blue",
        "B: blue", "b: blue", "B - blue", "B, blue", "B. blue.", "B) Blue!", "B blue",
        "I would choose B.", "I'd pick b", "I choose (b)", "I'd go with B.", "I would select option B",
        "I think B", "I think it's B.", "I believe the answer is B.", "My choice: B", "Final answer: B",
        "**Final Answer:** B", "The final answer is (B).", "At first A seemed right. Final answer: B",
        "The answer is A... Final answer: B", "Final answer\n\nB", "#### B",
        "the correct option is (b)", "The correct answer is B", "The correct choice would be B.",
        "The right one is B", "The best answer here is b.", "Correct answer: B) blue", "Answer is B",
        "Answer B", "Answer: **B) blue**", "Answer:\n\nB", "### Answer\nB", "answer -> B",
        "The answer to the question is option B.", "The answer's B", "It's B", "It is B.",
        "It is option B, blue.", "It must be B.", "That would be B", "B is correct.",
        "B is the right answer", "b is correct", "Option B is the best choice.", "B seems right.",
        "B fits best.", "B it is.", "So B.", "Therefore, option B.", "Among the options, B.",
        "blue (B)", "The collar is blue, so B.", "The collar is blue (option B).", "Not A, but B",
        "A is wrong; B is right", "The answer is not A. It is B", "The answer isn't A, it's B.",
        "A is incorrect. B is correct.", "It is B, not A.", "B, not A", "B rather than A",
        "B instead of C", "I would not choose A. I would choose B.", "A and C are wrong, so B",
        "Neither A nor C; B.", "A doesn't fit; B does.", "A: wrong. B: correct.",
        "A. red is wrong. B. blue is right.", "I don't think it is A. It's B.", "A? No, B.",
        "Is it A? No. It is B.", "B because A is not seen", "B. The collar is not red.",
        "B, A is wrong", "It's B and A is wrong.", "Could be A, but B fits better.",
        "Option A: red is wrong. Option B: blue is right.", "I ruled out A and C. B.",
        "The options are A. red, B. blue, C. green, D. grey. The answer is B.", "I think it is blue",
        "The collar of the dog is blue.", "It's a blue collar", "not red but blue", "blue, not red",
        "The collar isn't red, it's blue.", "It is blue rather than red", "Is it red? No, blue.",
        "Red is wrong, blue is right.", "neither red nor green but blue", "A dog is option B",
        "Answer: B\nExplanation: A, C and D are wrong.", "B\nA and C do not match", "Réponse : B",
        "答案是B。", "B。", "Die Antwort ist B.", "Antwort: B", "B!", "- B", "* B) blue", "1. B", "> B",
        "Let me think. The dog wears a collar. B", "B, since the dog is blue, unlike A or C.",
        "Based on the picture, the answer is B.", "Sure! The answer is B.", "The answer is: B.",
        "The answer is \"B\".", "The answer is 'B'.", "the answer is B - blue",
        "Looking at the image: B.", "I'm going with B.", "Definitely B.", "Clearly, B.", "B (blue)",
        "Ans: B", "ANSWER: B", "ANSWER IS B", "OPTION B", "The dog has option b.", "I select: b",
        "The correct answer is B. A is wrong because red is not seen.", "A cat, so the answer is B",
        "B and only B", "Only B.", "Only B is correct.", "You are right, B",
        "A is not right, nor is C. D is out. B remains.", "{B}", "B;", "(B", "B]", "Answer=B",
        "{\"answer\": \"B\"}", "{'answer': 'B'}",
    ),
    "grey": (
        "D",
    ),
    None: (
        "not a but b", "either A or B", "both A and C", "A or B", "A/B", "A, B", "A and B",
        "A, B, C, D", "A B C D", "The answer is A or B.", "The answer is B or C", "The answer is A/B",
        "It is between A and B.", "The answer is A. The answer is B.", "A is right. B is right.",
        "Either A or B is right.", "It could be B or C.", "A. red\nB. blue\nC. green\nD. grey",
        "A. red B. blue C. green D. grey", "A. red or B. blue", "I'd say B, maybe C", "B & C",
        "(A) and (B)", "(A) or (B)", "not A", "It is not B.", "The answer is not B", "None of them", "",
        "?", "E.", "The answer is E.", "Z", "I", "A dog", "A dog is seen.", "a dog",
        "The answer is a dog.", "The answer is A dog", "It is a dog", "I think so",
        "I think it is a dog", "I don't know", "I can't see A thing", "It is not blue", "red or blue",
        "bluebird", "B?", "The correct answer is not given.", "B is not wrong", "answer_B",
    ),
}
# fmt: on


@pytest.mark.parametrize(
    ("answer", "option"),
    [(answer, option) for option, answers in MEANT.items() for answer in answers],
)
def test_an_answer_means_the_option_that_it_declares(answer, option):
    number = chosen(answer, COLOURS)
    assert (None if number is None else COLOURS[number]) == option


def test_options_that_deny_or_hold_one_another_are_read_whole():
    seen = ("visible", "not visible", "no collar", "a collar")
    assert [
        chosen(said, seen)
        for said in (
            "It is not visible.",
            "It is visible",
            "There is no collar",
            "It has a collar.",
        )
    ] == [1, 0, 2, 3]
    assert [
        chosen(said, ("yes", "no"))
        for said in ("Yes, it is.", "No.", "No, it is not.", "yes and no")
    ] == [0, 1, 1, None]
    assert [
        chosen(said, ("A dog", "A cat")) for said in ("A dog", "It is a cat.", "A. A dog", "B")
    ] == [0, 1, 0, 1]


def test_options_of_several_words_follow_their_letter():
    options = ("red, white and blue", "blue (dark)", "3.5 m", "a b c")
    assert [
        chosen(said, options)
        for said in ("B. blue (dark)", "red, white and blue", "It is 3.5 m long", "D) a b c")
    ] == [1, 0, 2, 3]
