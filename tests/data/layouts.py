"""Small datasets in the exact layouts of the released ones, drawn for tests."""

import json
from pathlib import Path

from PIL import Image

COLOURS = ("red", "green", "blue", "orange", "purple", "teal", "navy", "olive")


def draw(*paths: Path) -> None:
    """A small picture at each path, each of another colour."""
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), COLOURS[i % len(COLOURS)]).save(path)


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def turns(question: str, answer: str) -> list[dict]:
    return [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]


def unifybench(root: Path) -> Path:
    """Three concepts: bo and mia are dogs, tom is a person."""
    write(root / "concepts_list.json", ["bo", "mia", "tom"])
    draw(*(root / "random_images" / f"{i}.png" for i in range(3)))
    kinds = {
        "bo": ("dog", "object", "live_subject"),
        "mia": ("dog", "object", "live_subject"),
        "tom": ("man", "human", "live_subject"),
    }
    for name, (noun, conversation, generation) in kinds.items():
        train, test = root / "concept" / "train" / name, root / "concept" / "test" / name
        draw(
            *(train / f"{i}.png" for i in range(3)),
            train / "cropped" / "0.png",
            *(test / f"{i}.png" for i in range(2)),
        )
        draw(train / "negative_example" / "7.png", train / "negative_example" / "8.png")
        write(train / "negative_example" / "score.json", {"7.png": 0.7, "8.png": 0.8})
        info = {
            "class": noun,
            "info": f"<{name}> is small.",
            "extra_info": [f"<{name}> has a red hat."],
        }
        write(
            train / "info.json",
            {**info, "conversation_type": conversation, "generation_type": generation},
        )
        write(
            train / "conversations.json",
            {"0.png": [{"query": f"What is <{name}>?", "answer": f"<{name}> is a {noun}."}]},
        )
        write(
            train / "positive_recognitions.json",
            [
                {
                    "image": f"concept/train/{name}/1.png",
                    "conversations": turns("Is <sks> here?", "Yes."),
                }
            ],
        )
        distractors = [
            {
                "image": "random_images/2.png",
                "conversations": turns(f"Is <{name}> here?", f"No, <{name}> is not."),
            }
        ]
        write(train / "random_recognitions.json", distractors)
        asked = {
            "image": "black_512x512.png",
            "type": "text_only",
            "conversations": turns(f"What has <{name}>?", "A red hat."),
        }
        write(test / "text_only.json", [asked])
        seen = [
            {
                "image": "1.png",
                "type": "vqa",
                "conversations": turns(f"What does <{name}> do?", "It sits."),
            }
        ]
        options = (
            f"What is <{name}> wearing?\nA. a hat\nB. a scarf\nC. nothing\nAnswer with one letter."
        )
        write(
            test / "vqa.json",
            [*seen, {"image": "0.png", "type": "choice", "conversations": turns(options, "B")}],
        )
        write(
            test / "t2i_conditions.json",
            [
                f"A photo of <{name}>.",
                f"A photo of <{name}> wearing her hat.",
                f"<{name}> eating its meal.",
            ],
        )
    return root


def yollava(root: Path) -> Path:
    """Two concepts, questions about bo only."""
    for name in ("bo", "shiba-gray"):
        draw(
            *(root / "train" / name / f"{i}.png" for i in range(3)),
            *(root / "test" / name / f"{i}.png" for i in range(2)),
        )
    options = {"A": "sks's hat", "B": "tasks"}
    seen = {"question": "What is <sks> wearing?", "options": options, "correct_answer": "B"}
    write(root / "yollava-visual-qa.json", {"bo": {"./yollava-data/test/bo/1.png": seen}})
    told = {
        "question": "Does sks like tasks?",
        "option": {"A": "Yes", "B": "No"},
        "correct_answer": "A",
    }
    write(root / "yollava-text-qa.json", {"bo": {"0": told}})
    return root


def yollava_negatives(root: Path) -> None:
    """What Yo'Chameleon adds: look-alikes with scores, and training texts."""
    bo = root / "train" / "bo"
    draw(bo / "negative_example" / "10.png", bo / "negative_example" / "11.png")
    scores = [
        {"image_path": f"/their/{i}.png", "clip_score": i / 100, "distance": float("nan")}
        for i in (10, 11)
    ]
    write(bo / "negative_example" / "scores.json", scores)
    write(
        bo / "recognition_positive.json",
        {
            "../data/train/bo/2.png": [
                {"Human": "Is <bo> here?", "AI": "I can confirm that <bo> is."}
            ]
        },
    )
    distractors = {
        "negative_example/11.png": [
            {"Human": "Is <bo> here?", "AI": "I have looked, and <bo> is not."}
        ]
    }
    write(bo / "recognition_negative-laion.json", distractors)
    write(
        bo / "text-only-conversation.json",
        {"./data/train/bo/0.png": [{"Human": "What color is <bo>?", "AI": "<bo> is red."}]},
    )


def mcllava(root: Path) -> Path:
    """Two concepts in different parts; bo is spelled with a capital."""
    write(root / "scenarios.json", ["Bo_mia"])
    write(root / "concept_type.json", {"Bo": "two_concept", "mia": "three_concept"})
    draw(root / "random-images" / "1.png", root / "random-images" / "2.png")
    for part, name in (("two_concept", "Bo"), ("three_concept", "mia")):
        train, test = (root / part / "concept" / split / name for split in ("train", "test"))
        draw(
            *(train / f"{i}{mask}.png" for i in range(2) for mask in ("", "_mask")),
            *(test / f"{i}.png" for i in range(2)),
        )
        picture = f"/workspace/data/MulBench/{part}/concept/test/{name}/0.png"
        write(
            test / "choice.json",
            {
                picture: {
                    "Human": f"What is <{name}> doing?\nA. sitting\nB. running\nC. sleeping",
                    "AI": "C",
                }
            },
        )
        write(
            test / "vqa.json",
            {picture: {"Human": f"Where is <{name}>?", "AI": f"<{name}> is at home."}},
        )
        write(test / "qa.json", [{"question": f"Is <{name}> tall? A. Yes B. No", "answer": "A"}])
        told = {"0.png": [{"Human": f"Who is <{name}>?", "AI": f"<{name}> is a dog."}]}
        write(root / "4o_generate_training_data" / name / "conversation.json", told)
    return root


def myvlm(root: Path) -> Path:
    for name in ("billy_dog", "mug"):
        draw(*(root / name / f"IMG_{i}.jpg" for i in range(6)))
        spoken = name.replace("_", " ")
        captions = {f"IMG_{i}.jpg": [f"{spoken} in a room {i}", f"{name} again"] for i in (0, 5)}
        write(root / name / "captions.json", captions)
        asked = {
            f"/their/MyVLM/{name}/IMG_1.jpg": [
                [f"Where is {spoken}?", f"{spoken} is on the smug table."]
            ]
        }
        write(root / name / "additional_llava_vqa_data.json", asked)
    return root


def dreambench(root: Path) -> Path:
    for name in ("dog6", "teapot"):
        draw(*(root / name / f"{i:02d}.jpg" for i in range(3)))
    form = "'a {0} {1} %s'.format(unique_token, class_token),"
    lines = [
        "Classes",
        "",
        "subject_name,class",
        "dog6,dog",
        "teapot,teapot",
        "vase,vase",
        "",
        "Prompts",
        "",
    ]
    lines += [
        "Object Prompts",
        "",
        "prompt_list = [",
        form % "on a mirror",
        "'a red {0} {1}'.format(unique_token, class_token)",
        "]",
    ]
    lines += ["Live Subject Prompts", "", "prompt_list = [", form % "wearing a red hat", "]"]
    write(root / "prompts_and_classes.txt", "\n".join(lines))
    return root


def folder(root: Path) -> Path:
    draw(root / "0.png", root / "1.png", root / "negative_example" / "easy_0.png")
    asked = [{"question": "what has <bo>?", "answer": "a hat"}]
    write(
        root / "info.json", {"class": "dog", "extra_info": ["<bo> has a hat."], "questions": asked}
    )
    return root
