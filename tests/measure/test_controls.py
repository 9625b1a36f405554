from unictoken.measure.controls import controls, fitting

DESCRIPTION, FACTS = (
    "{name} is a spotted brown and white dog with a red collar.",
    ("{name} has a green beanie.", "{name} lives in the snow."),
)


def test_a_description_is_cut_to_what_fits(base):
    assert fitting([DESCRIPTION], 3, base.vocab) == ["{name} is a spotted brown."]
    assert fitting([DESCRIPTION], 64, base.vocab) == [DESCRIPTION]


def test_facts_are_told_while_they_fit_and_whole(base):
    assert fitting([DESCRIPTION, *FACTS], 10, base.vocab) == [DESCRIPTION]
    assert fitting([DESCRIPTION, *FACTS], 16, base.vocab) == [DESCRIPTION, FACTS[0]]
    assert fitting([DESCRIPTION, *FACTS], 64, base.vocab) == [DESCRIPTION, *FACTS]


def test_every_control_has_its_name_and_its_words(base, bo, toy):
    pictures = base.encode(toy.pictures)
    made = controls(
        base,
        "bo",
        class_noun="dog",
        description=DESCRIPTION,
        facts=FACTS,
        pictures_NK=pictures,
        wrong=bo,
    )
    assert list(made) == [
        "none",
        "class_noun",
        "text_prompt_16",
        "text_prompt",
        "image_prompt_1",
        "image_prompt_4",
        "wrong_concept",
    ]
    assert made["none"].prompts.understanding == ""
    assert made["class_noun"].prompts.understanding == "{name} is a dog."
    assert made["text_prompt"].prompts.understanding == " ".join([DESCRIPTION, *FACTS])
    assert made["text_prompt"].prompts.generation == DESCRIPTION
    assert [len(made[f"image_prompt_{n}"].shown) for n in (1, 4)] == [66 + 3, 4 * 66 + 3]


def test_without_pictures_or_another_concept_there_are_no_such_controls(base):
    assert list(controls(base, "bo", class_noun="dog", description=DESCRIPTION)) == [
        "none",
        "class_noun",
        "text_prompt_16",
        "text_prompt",
    ]
